/** The SQL behind clients on a real PostgreSQL, with access rules as the charm writes them. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, chownSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Secret } from '../../lib/std/secret.ts';
import {
  dropClientRole,
  ensureClientDatabase,
  ensureClientRole,
} from '../../src/charm/apply/client-roles.ts';
import { hbaLines } from '../../src/charm/decide/access.ts';
import type { SqlPort } from '../../src/charm/workload/ports.ts';
import { scramVerifier } from '../../src/charm/workload/scram.ts';
import { connectSql } from '../../src/charm/workload/sql.ts';
import { serverUser } from '../support/database-cluster.ts';

const version = readdirSync('/usr/lib/postgresql').at(-1) ?? '';
const bin = (program: string) => `/usr/lib/postgresql/${version}/bin/${program}`;
const address = `127.${randomInt(1, 250)}.${randomInt(1, 250)}.7`;
const names = ['shop', 'bank', 'first-database', 'магазин'];
const password = (role: string) => `p'\\w-${role}`;

async function query(connecting: Promise<SqlPort>, text: string) {
  const sql = await connecting;
  try {
    return await sql.query(text);
  } finally {
    await sql.close();
  }
}

/** A server in a directory of its own, logging every statement. */
class Server {
  readonly dir: string;
  readonly admin = (database: string) =>
    connectSql({ host: this.dir, port: 5432, user: serverUser.name, database });

  constructor(dir: string) {
    this.dir = dir;
    chmodSync(dir, 0o700);
    chownSync(dir, serverUser.uid, serverUser.gid);
    const data = join(dir, 'data');
    this.#run('initdb', '-D', data, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8');
    // The directory of the socket is closed to others. Between databases all is wide open:
    // privileges alone must keep clients apart.
    const networks = ['127.0.0.0/8'];
    const rules = [1, 2, 3, 4].map((n) => ({ user: `relation-${n}`, databases: names, networks }));
    const hba = ['local all all trust', ...hbaLines(rules), ''].join('\n');
    writeFileSync(join(data, 'pg_hba.conf'), hba);
    const settings = [
      `listen_addresses=${address}`,
      `unix_socket_directories=${dir}`,
      'fsync=off',
      'log_statement=all',
    ];
    const options = settings.map((setting) => `-c ${setting}`).join(' ');
    this.#run('pg_ctl', '-D', data, '-w', '-l', join(dir, 'log'), '-o', options, 'start');
  }

  asClient(role: string, database: string): Promise<SqlPort> {
    const secret = new Secret(password(role));
    return connectSql({ host: address, port: 5432, user: role, password: secret, database });
  }

  async provide(role: string, database: string): Promise<void> {
    await ensureClientDatabase(this.admin, database);
    const verifier = await scramVerifier(password(role));
    await ensureClientRole(this.admin, { role, database, verifier });
  }

  async end(): Promise<void> {
    this.#run('pg_ctl', '-D', join(this.dir, 'data'), '-m', 'immediate', 'stop');
    await rm(this.dir, { recursive: true });
  }

  #run(program: string, ...args: string[]): void {
    const ids = process.getuid?.() === 0 ? { uid: serverUser.uid, gid: serverUser.gid } : {};
    // pg_ctl leaves a server behind that would keep a pipe open.
    const done = spawnSync(bin(program), args, { ...ids, cwd: this.dir, stdio: 'ignore' });
    assert.equal(done.status, 0, `${program} ${args.join(' ')}`);
  }
}

describe('clients on PostgreSQL', async () => {
  const server = new Server(await mkdtemp(join(tmpdir(), 'pgc-')));
  const { admin } = server;
  const asClient = server.asClient.bind(server);
  const provide = server.provide.bind(server);
  after(() => server.end());

  test('the access rules are understood as they are meant', async () => {
    const rows = await query(
      admin('postgres'),
      `SELECT database, error FROM pg_hba_file_rules WHERE user_name = '{relation-1}'`,
    );
    assert.deepEqual(rows, [{ database: names, error: null }]);
  });

  test('a client owns its database through the owner role, also when done twice', async () => {
    for (const database of names) {
      await provide('relation-1', database);
      await provide('relation-1', database);
      await query(asClient('relation-1', database), 'CREATE TABLE t (id int)');
      const owners = await query(
        asClient('relation-1', database),
        `SELECT tableowner, current_user, session_user FROM pg_tables WHERE tablename = 't'`,
      );
      const owner = `charmed_${database}_owner`;
      assert.deepEqual(owners, [
        { tableowner: owner, current_user: owner, session_user: 'relation-1' },
      ]);
    }
  });

  test('a client that asks for another database before it is served loses the first', async () => {
    await provide('relation-1', 'bank');
    await provide('relation-1', 'shop');
    await query(asClient('relation-1', 'shop'), 'SELECT 1');
    await assert.rejects(asClient('relation-1', 'bank'), /permission denied for database "bank"/);
  });

  test('two clients cannot connect to each other’s database', async () => {
    await provide('relation-2', 'bank');
    await query(asClient('relation-2', 'bank'), 'SELECT 1');
    await assert.rejects(asClient('relation-2', 'shop'), /permission denied for database "shop"/);
    await assert.rejects(asClient('relation-3', 'shop'), /authentication failed/);
  });

  test('a client cannot drop its database, nor make roles or databases', async () => {
    for (const statement of [
      'ALTER DATABASE shop RENAME TO mine',
      'CREATE DATABASE another',
      'CREATE ROLE another',
      'SET ROLE charmed_bank_owner',
    ]) {
      await provide('relation-3', 'shop');
      await assert.rejects(query(asClient('relation-3', 'shop'), statement), /must be|denied/);
    }
  });

  test('clients of one database share what is in it', async () => {
    await provide('relation-3', 'shop');
    await query(asClient('relation-3', 'shop'), 'CREATE TABLE of_three (id int)');
    await query(asClient('relation-1', 'shop'), 'DROP TABLE of_three');
  });

  test('a client that goes loses its login and sessions; its data goes to the owner', async () => {
    await provide('relation-4', 'shop');
    const session = await asClient('relation-4', 'shop');
    await session.query('CREATE TABLE kept (id int)');
    await session.query('SET ROLE NONE');
    await session.query('CREATE TEMPORARY TABLE passing (id int)').catch(() => undefined);
    await query(admin('shop'), 'CREATE SCHEMA AUTHORIZATION "relation-4"');
    await query(admin('bank'), 'GRANT CREATE ON SCHEMA public TO "relation-4"');
    await dropClientRole(admin, 'relation-4');
    await dropClientRole(admin, 'relation-4');
    await session.closed;
    const roles = await query(
      admin('postgres'),
      `SELECT FROM pg_roles WHERE rolname = 'relation-4'`,
    );
    assert.deepEqual(roles, []);
    const owners = await query(
      admin('shop'),
      `SELECT nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname = 'relation-4'`,
    );
    assert.deepEqual(owners, [{ owner: 'charmed_shop_owner' }]);
    await query(asClient('relation-1', 'shop'), 'SELECT * FROM kept');
  });

  test('integrated again, an application finds its data and may change it', async () => {
    await provide('relation-3', 'first-database');
    await dropClientRole(admin, 'relation-1');
    await query(asClient('relation-3', 'first-database'), 'ALTER TABLE t ADD COLUMN name text');
  });

  test('no password and no verifier is in the log of the server, which logs all', () => {
    const log = execFileSync('cat', [join(server.dir, 'log')], { encoding: 'utf8' });
    assert.match(log, /GRANT "charmed_shop_owner"/);
    assert.doesNotMatch(log, /SCRAM-SHA-256\$|p'\\w-/);
  });
});

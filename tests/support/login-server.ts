/**
 * A real PostgreSQL that lets logins in by password, with access rules of the test's choice. Logs
 * every statement. Ends all it started.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../../lib/std/secret.ts';
import type { SqlPort } from '../../src/charm/workload/ports.ts';
import { connectSql } from '../../src/charm/workload/sql.ts';
import { serverUser } from './database-cluster.ts';

const version = readdirSync('/usr/lib/postgresql').at(-1) ?? '';
const bin = (program: string) => `/usr/lib/postgresql/${version}/bin/${program}`;

/** Longer than anything takes on a machine that is busy with something else. */
const PATIENCE = { connectTimeoutMs: 60_000, statementTimeoutMs: 60_000 };

export class LoginServer {
  readonly dir: string;
  readonly address = `127.${randomInt(1, 250)}.${randomInt(1, 250)}.7`;
  /** Connects as a superuser over the socket, whose directory is closed to others. */
  readonly admin = (database: string) =>
    connectSql({ host: this.dir, port: 5432, user: serverUser.name, database, ...PATIENCE });

  /** @param hba lines for connections over TCP */
  constructor(hba: readonly string[]) {
    this.dir = mkdtempSync(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'pgc-'));
    chmodSync(this.dir, 0o700);
    chownSync(this.dir, serverUser.uid, serverUser.gid);
    const data = join(this.dir, 'data');
    this.#run('initdb', '-D', data, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N');
    writeFileSync(join(data, 'pg_hba.conf'), ['local all all trust', ...hba, ''].join('\n'));
    const settings = [
      `listen_addresses=${this.address}`,
      `unix_socket_directories=${this.dir}`,
      'fsync=off',
      'log_statement=all',
    ];
    const options = settings.map((setting) => `-c ${setting}`).join(' ');
    this.#run(
      'pg_ctl',
      '-D',
      data,
      '-w',
      '-t',
      '180',
      '-l',
      join(this.dir, 'log'),
      '-o',
      options,
      'start',
    );
  }

  login(user: string, password: string, database: string): Promise<SqlPort> {
    const secret = new Secret(password);
    const target = { host: this.address, port: 5432, user, password: secret, database };
    return connectSql({ ...target, ...PATIENCE });
  }

  log(): string {
    return execFileSync('cat', [join(this.dir, 'log')], { encoding: 'utf8' });
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

/** Statements on a connection of their own, which is closed. @returns the rows of the last one */
export async function ask<Row = Record<string, unknown>>(
  connecting: Promise<SqlPort>,
  ...statements: string[]
): Promise<Row[]> {
  const sql = await connecting;
  try {
    let rows: Row[] = [];
    for (const text of statements) rows = await sql.query<Row>(text);
    return rows;
  } finally {
    await sql.close();
  }
}

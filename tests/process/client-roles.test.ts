/** The SQL behind clients on a real PostgreSQL, with access rules as the charm writes them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { parsePermissions } from '../../lib/relations/postgresql-client-permissions.ts';
import {
  dropClientRole,
  ensureClientDatabase,
  ensureClientRole,
} from '../../src/charm/apply/client-roles.ts';
import { ensureInstanceRoles } from '../../src/charm/apply/instance-roles.ts';
import { hbaLines } from '../../src/charm/decide/access.ts';
import { assumedRoles, membershipsOf } from '../../src/charm/model/client-roles.ts';
import { readPermissions, setPermissions } from '../../src/charm/workload/permissions.ts';
import { LoginServer, ask as query } from '../support/login-server.ts';

const names = ['shop', 'bank', 'first-database', 'магазин'];
const password = (role: string) => `p'\\w-${role}`;

/** Between databases all is wide open: privileges alone must keep clients apart. */
const rules = [1, 2, 3, 4, 5].map((n) => ({
  user: `relation-${n}`,
  databases: names,
  networks: ['127.0.0.0/8'],
}));

describe('clients on PostgreSQL', async () => {
  const server = new LoginServer(hbaLines(rules));
  after(() => server.end());
  const { admin } = server;
  await ensureInstanceRoles(admin);
  const asClient = (role: string, database: string) => server.login(role, password(role), database);
  const provide = async (role: string, database: string) => {
    await ensureClientDatabase(admin, database);
    const memberOf = membershipsOf([database], []);
    const assumes = assumedRoles(memberOf, [database]);
    const rest = { login: true, superuser: false, connectionLimit: -1 };
    const wish = { name: role, mark: role, memberOf, assumes, ...rest };
    await ensureClientRole(admin, wish, password(role));
  };

  const verifierOf = async (role: string) => {
    const text = `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = '${role}'`;
    return (await query(admin('postgres'), text))[0]?.['verifier'];
  };

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
      const before = await verifierOf('relation-1');
      await provide('relation-1', database);
      assert.equal(await verifierOf('relation-1'), before, 'poolers hold the first one');
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

  test('permissions are what a client may do, now and with what is made later', async () => {
    const role = 'relation-5';
    const owner = asClient('relation-3', 'shop');
    await query(owner, 'CREATE TABLE goods (id serial)', 'CREATE TABLE "Secret" (id int)');
    const memberOf = membershipsOf(['shop'], [], true);
    const rest = { login: true, superuser: false, connectionLimit: -1, assumes: {} };
    await ensureClientRole(admin, { name: role, mark: role, memberOf, ...rest }, password(role));
    await assert.rejects(asClient(role, 'shop'), /permission denied for database "shop"/);

    const place = { role, database: 'shop' };
    const permission = (resource_type: string, resource_name: string, ...privileges: string[]) => ({
      ...{ resource_type, resource_name, privileges },
    });
    /** As an event does: look, then give and take; at the end nothing is left to do. */
    const permit = async (...asked: object[]) => {
      const parsed = parsePermissions(JSON.stringify(asked), 'shop');
      assert.ok(parsed.ok);
      const wanted = parsed.grants;
      for (let round = 0; ; round++) {
        const sql = await admin('shop');
        const { held, absent, recorded } = await readPermissions(sql, place, wanted);
        const grant = wanted.filter((each) => ![...held, ...absent].includes(each));
        const revoke = recorded.filter((each) => !wanted.includes(each));
        const record = [...recorded.filter((each) => wanted.includes(each)), ...grant];
        if (grant.length + revoke.length > 0) {
          await setPermissions(sql, { ...place, grant, revoke, record });
        }
        await sql.close();
        if (round === 1) return { grant, revoke, recorded, absent };
      }
    };
    const may = (text: string) =>
      query(asClient(role, 'shop'), text).then(
        () => true,
        (error: Error) => assert.match(error.message, /permission denied/) ?? false,
      );

    const asked = [permission('TABLE', 'goods', 'SELECT'), permission('TABLE', 'news', 'SELECT')];
    const first = await permit(...asked);
    assert.deepEqual([first.grant, first.revoke], [[], []]);
    assert.deepEqual(first.absent, ['TABLE public.news SELECT']);
    assert.equal(await may('SELECT * FROM goods'), true);
    assert.equal(await may('INSERT INTO goods DEFAULT VALUES'), false);
    assert.equal(await may('SELECT * FROM "Secret"'), false);
    assert.equal(await may('CREATE TABLE mine ()'), false);

    const all = [permission('TABLE', '*', 'SELECT', 'INSERT'), permission('SEQUENCE', '*', 'ALL')];
    const second = await permit(...all);
    assert.deepEqual([second.grant, second.revoke, second.absent], [[], [], []]);
    await query(asClient('relation-3', 'shop'), 'CREATE TABLE news (id serial)');
    for (const table of ['goods', 'news']) {
      assert.equal(await may(`INSERT INTO ${table} DEFAULT VALUES`), true, table);
    }
    assert.equal(await may('DELETE FROM news'), false);

    assert.deepEqual((await permit()).recorded, []);
    await assert.rejects(asClient(role, 'shop'), /permission denied for database "shop"/);
    await permit(...all);
    await dropClientRole(admin, role);
    await query(asClient('relation-3', 'shop'), 'DROP TABLE news, goods, "Secret"');
  });

  test('integrated again, an application finds its data and may change it', async () => {
    await provide('relation-3', 'first-database');
    await dropClientRole(admin, 'relation-1');
    await query(asClient('relation-3', 'first-database'), 'ALTER TABLE t ADD COLUMN name text');
  });

  test('no password and no verifier is in the log of the server, which logs all', () => {
    const log = server.log();
    assert.match(log, /set_up_predefined_catalog_roles/);
    assert.doesNotMatch(log, /SCRAM-SHA-256\$|p'\\w-/);
  });
});

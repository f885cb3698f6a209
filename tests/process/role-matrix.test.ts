/**
 * What each role may do, tried on a real PostgreSQL: who connects where, reads, writes, watches,
 * makes databases, and acts as whom. Access rules let everybody try everything.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ExtraRole } from '../../lib/relations/postgresql-client-request.ts';
import { poll } from '../../lib/std/clock.ts';
import {
  dropClientRole,
  ensureClientDatabase,
  ensureClientRole,
  setAssumedRoles,
} from '../../src/charm/apply/client-roles.ts';
import { ensureInstanceRoles } from '../../src/charm/apply/instance-roles.ts';
import { assumedRoles, membershipsOf, type RoleWish } from '../../src/charm/model/client-roles.ts';
import { ask, LoginServer } from '../support/login-server.ts';

const PASSWORD = 'pass';

const server = new LoginServer(['host all all 127.0.0.0/8 scram-sha-256']);
after(() => server.end());
const { admin } = server;
await ensureInstanceRoles(admin);
for (const name of ['shop', 'bank']) await ensureClientDatabase(admin, name);
// A table of the owner, in the database that clients ask for and in one that they do not.
for (const name of ['shop', 'bank']) {
  const rows = 'CREATE TABLE goods AS SELECT 1 AS id';
  await ask(admin(name), `SET ROLE charmed_${name}_owner`, rows);
}

function wishFor(name: string, extra: ExtraRole[], database = 'shop'): RoleWish {
  const memberOf = membershipsOf([database], extra);
  const superuser = extra.includes('superuser');
  const assumes = superuser ? {} : assumedRoles(memberOf, ['shop', 'bank']);
  return { name, mark: name, login: true, superuser, memberOf, connectionLimit: -1, assumes };
}

async function provide(wish: RoleWish): Promise<void> {
  await ensureClientRole(admin, wish, PASSWORD);
}

/** Whether the statements succeed. Any refusal but one for lack of rights is an error. */
async function may(user: string, database: string, ...statements: string[]): Promise<boolean> {
  try {
    await ask(server.login(user, PASSWORD, database), ...statements);
    return true;
  } catch (error) {
    assert.match(String(error), /permission denied|must be (owner|superuser|a superuser)/);
    return false;
  }
}

const CREATE = 'CREATE TABLE attempt ()';
/** What may be done, with the statements that show it. */
const deeds: Record<string, (user: string) => Promise<boolean>> = {
  'connect to its own': (user) => may(user, 'shop', 'SELECT 1'),
  'connect to others': (user) => may(user, 'bank', 'SELECT 1'),
  'connect to postgres': (user) => may(user, 'postgres', 'SELECT 1'),
  'read its own': (user) => may(user, 'shop', 'SELECT * FROM goods'),
  'read others': (user) => may(user, 'bank', 'SELECT * FROM goods'),
  'write its own': (user) => may(user, 'shop', 'INSERT INTO goods VALUES (2)'),
  'write others': (user) => may(user, 'bank', 'INSERT INTO goods VALUES (2)'),
  'create in its own': (user) => may(user, 'shop', 'BEGIN', CREATE, 'ROLLBACK'),
  'create in others': (user) => may(user, 'bank', 'BEGIN', CREATE, 'ROLLBACK'),
  'create without the owner': (user) =>
    may(user, 'shop', 'SET ROLE NONE', 'BEGIN', CREATE, 'ROLLBACK'),
  'watch the server': (user) =>
    may(user, 'shop', 'SET ROLE NONE', 'SELECT * FROM pg_ls_waldir() LIMIT 1'),
  'make databases': (user) => may(user, 'shop', 'SET ROLE charmed_databases_owner', 'SELECT 1'),
  'make roles': (user) => may(user, 'shop', 'SET ROLE NONE', 'CREATE ROLE attempt'),
  'start a backup': (user) => may(user, 'shop', "SELECT pg_create_restore_point('here')"),
};

const own = ['connect to its own', 'read its own', 'write its own', 'create in its own'];
const reads = [
  'connect to its own',
  'connect to others',
  'connect to postgres',
  'watch the server',
];
const everywhere = ['read its own', 'read others'];
const writes = ['write its own', 'write others'];
const all = [...new Set([...reads, ...everywhere, ...writes, ...own, 'create in others'])];

const matrix: [extra: ExtraRole[], allowed: string[]][] = [
  [[], own],
  [['charmed_stats'], reads],
  [['charmed_read'], [...reads, ...everywhere]],
  [['charmed_dml'], [...reads, ...everywhere, ...writes]],
  [['charmed_admin'], all],
  [['createdb'], [...own, 'connect to others', 'connect to postgres', 'make databases']],
  [
    ['charmed_admin', 'createdb'],
    [...all, 'make databases'],
  ],
  [['superuser'], Object.keys(deeds)],
];

describe('a client with', () => {
  for (const [at, [extra, allowed]] of matrix.entries()) {
    test(`${extra.join(' and ') || 'no extra role'} may do this and nothing else`, async () => {
      const user = `relation-${at + 10}`;
      await provide(wishFor(user, extra));
      const found: string[] = [];
      for (const [deed, attempt] of Object.entries(deeds)) {
        if (await attempt(user)) found.push(deed);
      }
      assert.deepEqual(found.sort(), allowed.toSorted());
    });
  }
});

describe('who administers a database', () => {
  const acts = (user: string, database: string, ...before: string[]) =>
    ask<{ role: string }>(
      server.login(user, PASSWORD, database),
      ...before,
      'SELECT current_user AS role',
    ).then(([row]) => row?.role);

  test('acts as its owner, also after RESET ROLE and DISCARD ALL', async () => {
    await provide(wishFor('relation-1', []));
    for (const before of ['SELECT 1', 'RESET ROLE', 'DISCARD ALL', 'RESET ALL']) {
      assert.equal(await acts('relation-1', 'shop', before), 'charmed_shop_owner');
    }
  });

  test('with charmed_admin acts as the owner in all of them, also in one made later', async () => {
    await provide(wishFor('relation-2', ['charmed_admin']));
    await ensureClientDatabase(admin, 'later');
    for (const database of ['shop', 'bank', 'later']) {
      assert.equal(await acts('relation-2', database), `charmed_${database}_owner`);
    }
    assert.equal(await acts('relation-2', 'postgres'), 'relation-2');
  });

  test('by SQL is treated alike once the setting is there', async () => {
    await ask(
      admin('postgres'),
      `CREATE ROLE anna LOGIN PASSWORD '${PASSWORD}' IN ROLE charmed_bank_admin`,
    );
    const sql = await admin('postgres');
    await setAssumedRoles(sql, 'anna', assumedRoles(['charmed_bank_admin'], ['shop', 'bank']));
    assert.equal(await acts('anna', 'bank'), 'charmed_bank_owner');
    await setAssumedRoles(sql, 'anna', {});
    await sql.close();
    assert.equal(await acts('anna', 'bank'), 'anna');
  });
});

describe('a client that makes databases', () => {
  const wish = wishFor('relation-3', ['createdb']);
  const as = (database: string) => server.login('relation-3', PASSWORD, database);

  test('sets up the roles of its own and administers it, and closes it to others', async () => {
    await provide(wish);
    await provide(wishFor('relation-4', []));
    await ask(as('shop'), 'SET ROLE charmed_databases_owner', 'CREATE DATABASE own');
    const [first] = await ask(as('own'), 'SELECT current_user AS role');
    assert.deepEqual(first, { role: 'charmed_databases_owner' });
    await ask(as('own'), 'CREATE TABLE before ()', 'SELECT set_up_predefined_catalog_roles()');
    const assume = ['SET ROLE charmed_own_owner', CREATE];
    await ask(as('own'), ...assume);
    // From the next event of the charm on, its sessions begin there.
    await ensureClientDatabase(admin, 'own');
    const [second] = await ask(as('own'), 'SELECT current_user AS role');
    assert.deepEqual(second, { role: 'charmed_own_owner' });
    assert.equal(await may('relation-4', 'own', 'SELECT 1'), false);
    const again = ['SET ROLE charmed_databases_owner', 'CREATE TABLE more ()'];
    assert.equal(await may('relation-3', 'own', ...again), false);
  });

  test('cannot set up what is not to be', async () => {
    const sql = ['SET ROLE charmed_databases_owner', 'CREATE DATABASE databases'];
    await ask(as('shop'), ...sql);
    const setUp = ask(as('databases'), 'SELECT set_up_predefined_catalog_roles()');
    await assert.rejects(setUp, /reserved or too long/);
    await ask(admin('postgres'), 'DROP DATABASE databases');
  });

  test('others may not call the function', async () => {
    const call = 'SELECT set_up_predefined_catalog_roles()';
    assert.equal(await may('relation-4', 'shop', call), false);
  });

  test('hands what it owned to the owner of databases when it goes', async () => {
    await ask(admin('postgres'), 'CREATE DATABASE mine OWNER "relation-3"');
    await dropClientRole(admin, 'relation-3');
    const [row] = await ask(
      admin('postgres'),
      `SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = 'mine'`,
    );
    assert.deepEqual(row, { owner: 'charmed_databases_owner' });
  });
});

describe('a role', () => {
  test('that exists already is given to nobody', async () => {
    await ask(admin('postgres'), 'CREATE ROLE taken LOGIN');
    const wish = { ...wishFor('taken', []), mark: 'relation-5' };
    await assert.rejects(provide(wish), /cannot give user taken to relation-5: it exists already/);
  });

  test('that changes keeps its password and what an operator gave it', async () => {
    await provide(wishFor('relation-6', ['charmed_admin']));
    await ask(admin('postgres'), 'CREATE ROLE extra', 'GRANT extra TO "relation-6"');
    await ensureClientRole(admin, { ...wishFor('relation-6', []), connectionLimit: 1 }, undefined);
    const sql = await server.login('relation-6', PASSWORD, 'shop');
    const groups = await sql.query<{ name: string }>(
      `SELECT r.rolname::text AS name FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
        WHERE m.member = '"relation-6"'::regrole ORDER BY 1`,
    );
    const names = ['charmed_shop_admin', 'charmed_shop_dml', 'extra', 'relation_access'];
    assert.deepEqual(
      groups.map(({ name }) => name),
      names,
    );
    const second = server.login('relation-6', PASSWORD, 'shop');
    await assert.rejects(second, /too many connections for role/);
    await sql.close();
    // The server counts a session until its process has heard the goodbye.
    const sessions = `SELECT FROM pg_stat_activity WHERE usename = 'relation-6'`;
    const none = async () => (await ask(admin('postgres'), sessions)).length === 0 || undefined;
    assert.ok(await poll(none, { timeoutMs: 60_000 }));
    assert.equal(await may('relation-6', 'bank', 'SELECT 1'), false);
  });

  test('of a group cannot log in; who is its member can do what it can', async () => {
    const group = { ...wishFor('relation-8', []), login: false, assumes: {} };
    await ensureClientRole(admin, group, undefined);
    await assert.rejects(server.login('relation-8', PASSWORD, 'shop'), /authentication failed/);
    const user = `CREATE ROLE bert LOGIN PASSWORD '${PASSWORD}' IN ROLE "relation-8"`;
    await ask(admin('postgres'), user);
    await ask(server.login('bert', PASSWORD, 'shop'), 'SET ROLE charmed_shop_owner', 'TABLE goods');
  });

  test('of the instance for operators can write everywhere, or take part in backups', async () => {
    for (const role of ['dba', 'backup']) {
      const statement = `CREATE ROLE "${role}-user" LOGIN PASSWORD '${PASSWORD}'`;
      await ask(admin('postgres'), `${statement} IN ROLE charmed_${role}`);
    }
    assert.equal(await may('dba-user', 'bank', 'INSERT INTO goods VALUES (3)'), true);
    assert.equal(await may('dba-user', 'bank', CREATE), false);
    assert.equal(await may('backup-user', 'bank', 'TABLE goods'), false);
    for (const database of ['bank', 'postgres']) {
      assert.equal(await may('backup-user', database, 'SELECT pg_switch_wal()'), true);
      assert.equal(await may('dba-user', database, 'SELECT pg_switch_wal()'), false);
    }
  });
});

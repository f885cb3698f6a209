/**
 * The synchronisation against a real slapd and a real PostgreSQL: more users than a page holds,
 * groups in groups, names that need escaping, and a directory that goes.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Log } from '../../lib/std/log.ts';
import { readPeople, synchronise } from '../../src/agent/directory/keeper.ts';
import type { DirectoryWish } from '../../src/charm/model/desired.ts';
import { connectSql } from '../../src/charm/workload/sql.ts';
import { startDirectory } from '../support/directory.ts';
import { startLoneServer } from '../support/lone-server.ts';

const many = Array.from({ length: 1100 }, (_, n) => `user${n}`);
const odd = ["o'neil", 'a "b", c', 'jörg+x=y', 'drop table;--', 'a = b', ' blank', '#b'];
const unusable = ['a*b', 'x'.repeat(64), 'operator'];
const groups = {
  'Data, Base': ['@inner', 'user1'],
  inner: [...odd, 'user1099', '@Data, Base'],
  others: ['user2'],
};
const map = [{ group: 'inner', role: 'dba' }];

describe('a synchronisation', async () => {
  const directory = await startDirectory([...many, ...odd, ...unusable], groups);
  const server = await startLoneServer();
  after(async () => {
    await server.close();
    await directory.end();
  });
  const silent: Log = { debug() {}, info() {}, warning() {}, error() {} };
  const sync = async (change: Partial<DirectoryWish> = {}) => {
    const wish = { ...directory.wish, map, ...change };
    const host = server.desired.paths.run;
    const sql = await connectSql({ host, port: 5432, user: 'operator', database: 'postgres' });
    try {
      return await synchronise(sql, await readPeople(wish), wish.map, silent);
    } finally {
      await sql.close();
    }
  };
  const versions = () =>
    server.sql(`SELECT 'a' AS t, ctid, xmin FROM pg_authid UNION ALL
      SELECT 'm', ctid, xmin FROM pg_auth_members ORDER BY 1, 2`);
  const members = async (role: string) =>
    (
      await server.sql<{ name: string }>(`SELECT r.rolname AS name FROM pg_auth_members m
        JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = '${role}'::regrole ORDER BY 1`)
    ).map(({ name }) => name);

  test('makes a role for everybody who can have one, and says who cannot', async () => {
    await server.sql('CREATE ROLE dba');
    const notes = await sync();
    assert.deepEqual(await members('identity_access'), [...many, ...odd].sort());
    const text = notes.join('\n');
    assert.match(text, /"operator" of the directory has the name of a role/);
    assert.match(text, /"a\*b".* of the directory has a name that no user/);
  });

  test('gives the roles of groups, also of those within them', async () => {
    assert.deepEqual(await members('dba'), [...odd, 'user1', 'user1099'].sort());
  });

  test('writes nothing when nothing has changed', async () => {
    const before = await versions();
    await sync();
    assert.deepEqual(await versions(), before);
  });

  test('takes back what a group no longer gives', async () => {
    await sync({ map: [{ group: 'others', role: 'dba' }] });
    assert.deepEqual(await members('dba'), ['user2']);
  });

  test('leaves a role that somebody else made, whatever the directory has', async () => {
    await server.sql("CREATE ROLE user_by_hand LOGIN; COMMENT ON ROLE user_by_hand IS 'mine'");
    await sync({ filter: '(&(uid=user1*)(uid=$username))' });
    const [row] = await server.sql<{ roles: string }>(`SELECT count(*) AS roles FROM pg_roles
      WHERE rolname = 'user_by_hand'`);
    assert.equal(row?.roles, '1');
    assert.equal((await members('identity_access')).length, 211);
  });

  const failures: [string, Partial<DirectoryWish>, RegExp][] = [
    ['is not there', { servers: [{ host: '127.0.0.1', port: 1 }] }, /cannot reach the directory/],
    ['refuses the login', { password: 'wrong' }, /refuses the password/],
    ['has no such base', { baseDn: 'dc=example,dc=com' }, /cannot search/],
    [
      'has a certificate of another',
      { caFile: '/etc/ssl/certs/ca-certificates.crt' },
      /certificate/,
    ],
  ];
  for (const [what, change, why] of failures) {
    test(`changes nothing when the directory ${what}`, async () => {
      const before = await versions();
      await assert.rejects(sync(change), why);
      assert.deepEqual(await versions(), before);
    });
  }

  test('changes nothing when the directory shows nobody', async () => {
    const before = await versions();
    const notes = await sync({ filter: '(&(uid=none)(uid=$username))' });
    assert.match(notes.join(), /no user at all/);
    assert.deepEqual(await versions(), before);
  });
});

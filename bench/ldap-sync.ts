/**
 * The synchronisation of 5,000 users of a directory, in groups: the first, which makes a role for
 * each, and the second, which finds nothing to write. The floor of the first is the same number of
 * bare CREATE ROLE, that of the second is reading the directory and the roles.
 */

import { Writable } from 'node:stream';
import { streamLog } from '../lib/std/log.ts';
import { readPeople, synchronise } from '../src/agent/directory/keeper.ts';
import { readRoles } from '../src/agent/directory/roles.ts';
import { connectSql } from '../src/charm/workload/sql.ts';
import { startDirectory } from '../tests/support/directory.ts';
import { type LoneServer, startLoneServer } from '../tests/support/lone-server.ts';
import { type Benchmark, judge, type Measurement } from './measure.ts';

const USERS = 5000;
const GROUPS = 10;

export const ldapSync: Benchmark = {
  ids: ['ldap-sync-5000'],
  async run(_ids, say) {
    say(`ldap-sync-5000: a directory of ${USERS} users in ${GROUPS} groups`);
    const users = Array.from({ length: USERS }, (_, n) => `user${n}`);
    const directory = await startDirectory(users, groups());
    const server = await startLoneServer();
    try {
      return await measure(server, { ...directory.wish, map: mapping() });
    } finally {
      await server.close();
      await directory.end();
    }
  },
};

/** Every user is in one group. */
function groups(): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  for (let n = 0; n < USERS; n++) {
    const name = `group${n % GROUPS}`;
    all[name] = [...(all[name] ?? []), `user${n}`];
  }
  return all;
}

function mapping() {
  return Array.from({ length: GROUPS }, (_, n) => ({ group: `group${n}`, role: `role${n}` }));
}

type Wish = Parameters<typeof readPeople>[0];

async function measure(server: LoneServer, wish: Wish): Promise<Measurement[]> {
  const sql = await connectSql({
    ...{ host: server.desired.paths.run, port: 5432, user: 'operator', database: 'postgres' },
    statementTimeoutMs: 120_000,
  });
  const log = streamLog(new Writable({ write: (_chunk, _encoding, done) => done() }));
  const all = (make: (n: number) => string, count: number) =>
    sql.queryAll(Array.from({ length: count }, (_, n) => make(n)).join(';'));
  const pass = () => seconds(async () => synchronise(sql, await readPeople(wish), wish.map, log));
  const versions = async () =>
    (await sql.query<{ version: string }>(VERSIONS)).map(({ version }) => version);
  try {
    const bare = await seconds(() => all((n) => `CREATE ROLE bare${n} LOGIN`, USERS));
    await all((n) => `DROP ROLE bare${n}`, USERS);
    await all((n) => `CREATE ROLE role${n}`, GROUPS);
    const first = await pass();
    const before = new Set(await versions());
    const second = await pass();
    const writes = (await versions()).filter((version) => !before.has(version)).length;
    const reading = await seconds(async () => [await readPeople(wish), await readRoles(sql)]);
    return judged({ bare, first, second, reading, writes });
  } finally {
    await sql.close();
  }
}

/** Every version of a row about roles: one that is written anew is another. */
const VERSIONS = ['pg_authid', 'pg_auth_members', 'pg_shdescription']
  .map((table) => `SELECT '${table} ' || ctid || ' ' || xmin AS version FROM ${table}`)
  .join(' UNION ALL ');

interface Figures {
  bare: number;
  first: number;
  second: number;
  reading: number;
  writes: number;
}

function judged({ bare, first, second, reading, writes }: Figures): Measurement[] {
  const shared = { id: 'ldap-sync-5000', targetOf: 'value' } as const;
  return [
    judge({
      ...{ ...shared, what: 'first synchronisation', unit: 's', target: 15 },
      ...{ value: first, floor: bare, floorOf: 'as many bare CREATE ROLE' },
    }),
    judge({
      ...{ ...shared, what: 'second synchronisation', unit: 's', target: 3 },
      ...{ value: second, floor: reading, floorOf: 'reading directory and roles' },
    }),
    judge({ ...shared, what: 'writes of the second', unit: 'x', target: 0, value: writes }),
  ];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

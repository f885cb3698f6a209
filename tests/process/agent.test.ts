/**
 * The agent on a real cluster of three: what it observes, whom the pooler lets in and where it
 * leads, across a switchover, a dead primary, a restarted pooler and a restarted agent.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { poll } from '../../lib/std/clock.ts';
import type { AgentWorld } from '../../src/charm/model/world.ts';
import type { AgentPort, Ending } from '../../src/charm/workload/ports.ts';
import { scramVerifier } from '../../src/charm/workload/scram.ts';
import { DatabaseCluster } from '../support/database-cluster.ts';

const PASSWORD = 'app-test-password';

describe('agent', () => {
  let cluster: DatabaseCluster;
  let agents: AgentPort[];

  const until = async <T>(
    what: string,
    probe: () => Promise<T | undefined>,
    timeoutMs = 60_000,
  ) => {
    const answer = await poll(() => probe().catch(() => undefined), { timeoutMs, everyMs: 50 });
    if (answer === undefined) {
      assert.fail(`${what} did not happen: ${JSON.stringify(await agents[0]?.world())}`);
    }
    return answer;
  };
  const world = async (index: number): Promise<AgentWorld> => {
    const seen = await agents[index]?.world();
    if (!seen?.known) throw new Error('no agent answers');
    return seen.value;
  };
  const sqlAsOperator = async (index: number, text: string) => {
    const { superuser, password, port } = cluster.desired(index).postgres;
    const host = cluster.at(index).member.address;
    const options = { host, port, user: superuser, password, database: 'postgres' };
    return queryOnce(options, text);
  };
  const throughPooler = (index: number, database: string, text: string) =>
    queryOnce(
      {
        host: cluster.at(index).member.address,
        port: 6432,
        user: 'app',
        password: PASSWORD,
        database,
      },
      text,
    );
  const serverBehind = async (index: number, database = 'shop') =>
    String((await throughPooler(index, database, 'SELECT inet_server_addr() AS a'))[0]?.['a']);
  const primaryIndex = async () => {
    const { cluster: view } = await world(0);
    if (!view.known) return undefined;
    const name = view.value.members.find(({ role }) => role === 'primary')?.name;
    const index = cluster.members.findIndex(({ member }) => member === name);
    return index < 0 ? undefined : index;
  };
  const allStreaming = () =>
    until('all streaming', async () => {
      const { cluster: view } = await world(0);
      const streaming = view.known && view.value.members.filter((m) => m.streaming).length;
      return streaming === 2 ? true : undefined;
    });
  const switchover = async (to?: string): Promise<Ending & { lines: string[] }> => {
    const lines: string[] = [];
    const id = await agents[1]?.startWork('switchover', to === undefined ? {} : { to });
    const ending = await agents[2]?.followWork(id ?? '', (line) => lines.push(line));
    assert.ok(ending);
    return { ...ending, lines };
  };

  before(async () => {
    cluster = await DatabaseCluster.create(3);
    agents = [0, 1, 2].map((index) => cluster.agent(index));
    for (const index of [0, 1, 2]) {
      const wakes = join(cluster.base(cluster.at(index).member), 'wakes');
      cluster.startAgent(index, { wake: { command: ['sh', '-c', `echo woken >> ${wakes}`] } });
    }
  });
  after(async () => {
    await cluster?.destroy();
  });

  test('before anything else runs, every probe says why it knows nothing', async () => {
    const seen = await until('agent', () => world(0));
    for (const subject of ['etcd', 'cluster', 'database', 'local', 'pooler'] as const) {
      const probe = seen[subject];
      assert.ok(!probe.known && probe.reason.length > 0, subject);
    }
    assert.deepEqual([seen.jobs, seen.work], [[], undefined]);
  });

  test('with etcd alone it is known that there is no cluster yet', async () => {
    cluster.startEtcd(1);
    const view = await until('cluster view', async () => {
      const { cluster: seen } = await world(1);
      return seen.known ? seen.value : undefined;
    });
    assert.deepEqual([view.initialized, view.members], [undefined, []]);
  });

  test('the cluster, its roles and what streams become known by themselves', async () => {
    for (const index of [0, 1, 2]) {
      cluster.startPatroni(index);
      cluster.startPgbouncer(index);
    }
    await allStreaming();
    const seen = await until('everything known', async () => {
      const now = await world(0);
      const peers = Object.values(now.peers);
      const known = now.database.known && now.local.known && now.pooler.known;
      return known && peers.length === 2 && peers.every((peer) => peer.known) ? now : undefined;
    });
    assert.ok(seen.cluster.known && seen.database.known && seen.etcd.known);
    assert.equal(seen.cluster.value.initialized, seen.database.value.systemIdentifier);
    assert.equal(seen.cluster.value.failsafe, true);
    assert.deepEqual(
      seen.etcd.value.members.map(({ name, healthy, silentMs }) => [name, healthy, silentMs]),
      [['postgresql-0', true, 0]],
    );
    const operator = seen.database.value.roles.find(({ name }) => name === 'operator');
    assert.deepEqual([operator?.login, operator?.superuser], [true, true]);
  });

  test('a user made by SQL logs in through every pooler, and superusers do not', async () => {
    const primary = await until('primary', primaryIndex);
    const verifier = await scramVerifier(PASSWORD);
    await sqlAsOperator(primary, `CREATE ROLE app LOGIN PASSWORD '${verifier}'`);
    await sqlAsOperator(primary, 'CREATE DATABASE shop OWNER app');
    for (const index of [0, 1, 2]) {
      const address = cluster.at(primary).member.address;
      await until('login', async () => (await serverBehind(index)) === address || undefined);
    }
    const view = (await world(2)).pooler;
    assert.ok(view.known);
    assert.deepEqual(view.value.users, ['app']);
    assert.ok(!readFileSync(etc(0, 'userlist.txt'), 'utf8').includes('operator'));
    await assert.rejects(throughPooler(0, 'postgres', 'SELECT 1'), 'not in its HBA');
    await assert.rejects(throughPooler(0, 'pgbouncer', 'SHOW POOLS'), 'the console is closed');
  });

  const etc = (index: number, file: string) =>
    join(cluster.base(cluster.at(index).member), 'etc', file);

  test('the read-only alias leads to replicas', async () => {
    const primary = await until('primary', primaryIndex);
    const replica = await until('a replica answers', async () => {
      const address = await serverBehind(primary, 'shop_readonly');
      return address === cluster.at(primary).member.address ? undefined : address;
    });
    assert.ok(cluster.members.some(({ address }) => address === replica));
    await assert.rejects(throughPooler(primary, 'shop_readonly', 'CREATE TABLE no (n int)'));
  });

  test('a switchover is carried out as work that any unit can start and follow', async () => {
    const before = await until('primary', primaryIndex);
    const target = cluster.at((before + 1) % 3).member;
    const { outcome, result, lines, message } = await switchover(target.member);
    assert.equal(outcome, 'done', message + lines.join('\n'));
    assert.equal(result['primary'], target.member);
    assert.ok(lines.some((line) => /^switchover: done in /.test(line)));
    for (const index of [0, 1, 2]) {
      await until(
        'routed',
        async () => (await serverBehind(index)) === target.address || undefined,
      );
    }
    assert.equal((await world(0)).work?.outcome, 'done');
  });

  test('a switchover that cannot be done is refused with a reason; nothing moves', async () => {
    await allStreaming();
    const before = await primaryIndex();
    await assert.rejects(switchover('postgresql-9'), { code: 'switchover-refused' });
    await assert.rejects(async () => agents[0]?.startWork('nonsense', {}), {
      code: 'no-such-work',
    });
    assert.equal(await primaryIndex(), before);
  });

  test('the pooler follows when the primary dies', async () => {
    await allStreaming();
    const before = await until('primary', primaryIndex);
    const pid = cluster.postmasterPid(before);
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    const now = await until('another primary', async () => {
      const index = await primaryIndex();
      return index === before ? undefined : index;
    });
    for (const index of [0, 1, 2]) {
      await until('routed', async () => {
        return (await serverBehind(index)) === cluster.at(now).member.address || undefined;
      });
    }
    await allStreaming();
  });

  test('a pooler that is restarted serves as before, and so does a restarted agent', async () => {
    const primary = cluster.at(await until('primary', primaryIndex)).member.address;
    await cluster.end('pgbouncer-0', 'SIGKILL');
    await cluster.end('agent-0', 'SIGKILL');
    const ini = readFileSync(etc(0, 'pgbouncer.ini'), 'utf8');
    cluster.startPgbouncer(0);
    await until(
      'login without an agent',
      async () => (await serverBehind(0)) === primary || undefined,
    );
    cluster.startAgent(0);
    await until('agent', async () => ((await world(0)).pooler.known ? true : undefined));
    assert.equal(readFileSync(etc(0, 'pgbouncer.ini'), 'utf8'), ini);
  });

  test('a generation is in force when apply answers; an unknown version is refused', async () => {
    const { pooler } = cluster.desired(1);
    const rule = { user: 'app', databases: ['postgres'], networks: ['127.0.0.0/8'] };
    const change = { pooler: { ...pooler, access: [...pooler.access, rule] } };
    cluster.writeDesired(1, { ...change, generation: 7 });
    assert.equal(await agents[1]?.apply(7, 5000), 7);
    assert.equal((await throughPooler(1, 'postgres', 'SELECT 1 AS n'))[0]?.['n'], 1);
    cluster.writeDesired(1, { version: 99 as 1, generation: 8 });
    assert.equal(await agents[1]?.apply(8, 500), 7);
  });

  test('the charm was woken for what happened, and rests when nothing does', async () => {
    const count = () =>
      readFileSync(join(cluster.base(cluster.at(2).member), 'wakes'), 'utf8').split('\n').length -
      1;
    assert.ok(count() >= 5, `${count()} wakes`);
    await until('quiet', async () => {
      const before = count();
      await new Promise((resolve) => setTimeout(resolve, 4000));
      return count() === before ? true : undefined;
    });
  });

  test('metrics tell the role of every member and the state of the pooler', async () => {
    const response = await fetch(`http://${cluster.at(1).member.address}:9188/metrics`);
    const text = await response.text();
    assert.match(text, /^pgcharm_cluster_has_primary 1$/m);
    assert.match(text, /^pgcharm_pooler_up 1$/m);
    assert.equal(text.match(/^pgcharm_cluster_member_role\{.*role="primary"\} 1$/gm)?.length, 1);
    assert.match(text, /^pgcharm_agent_process_resident_memory_bytes \d+/m);
  });

  test('a unit that leaves hands the primary role over', async () => {
    const before = await until('primary', primaryIndex);
    const report = await agents[before]?.leave(before === 0 ? 5000 : 30_000);
    const now = await primaryIndex();
    assert.notEqual(now, before, JSON.stringify(report));
    // The only voter sits on the first unit, and no charm is here to move it.
    assert.equal(report?.complete, before !== 0);
  });
});

async function queryOnce(options: pg.ClientConfig, text: string) {
  const client = new pg.Client({ connectionTimeoutMillis: 3000, query_timeout: 3000, ...options });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

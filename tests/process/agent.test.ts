/**
 * The agent on a real cluster of three: what it observes, whom the pooler lets in and where it
 * leads, across a switchover, a dead primary, a restarted pooler and a restarted agent.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentHarness } from '../support/agent-harness.ts';

describe('agent', () => {
  let harness: AgentHarness;
  const addressOf = (index: number) => harness.cluster.at(index).member.address;

  before(async () => {
    harness = await AgentHarness.create(3);
  });
  after(() => harness?.destroy());

  test('before anything else runs, every probe says why it knows nothing', async () => {
    const seen = await harness.until('agent', () => harness.world(0));
    for (const subject of ['etcd', 'cluster', 'database', 'local', 'pooler'] as const) {
      const probe = seen[subject];
      assert.ok(!probe.known && probe.reason.length > 0, subject);
    }
    assert.deepEqual([seen.jobs, seen.work], [[], undefined]);
  });

  test('with etcd alone it is known that there is no cluster yet', async () => {
    harness.cluster.startEtcd(1);
    const view = await harness.until('view of the cluster', async () => {
      const { cluster } = await harness.world(1);
      return cluster.known ? cluster.value : undefined;
    });
    assert.deepEqual([view.initialized, view.members], [undefined, []]);
  });

  test('the cluster, its roles and what streams become known by themselves', async () => {
    await harness.startServers();
    const seen = await harness.until('knowledge of everything', async () => {
      const now = await harness.world(0);
      const peers = Object.values(now.peers);
      const known = now.database.known && now.local.known && now.pooler.known;
      const voter = now.etcd.known && now.etcd.value.members.every(({ healthy }) => healthy);
      return known && voter && peers.length === 2 && peers.every((peer) => peer.known)
        ? now
        : undefined;
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
    await harness.createApp();
    await harness.allRoutedTo(await harness.primary());
    const users = await harness.until('users of the pooler', async () => {
      const { pooler } = await harness.world(2);
      return pooler.known && pooler.value.users.length > 0 ? pooler.value.users : undefined;
    });
    assert.deepEqual(users, ['app']);
    // Before its list has them, the pooler lets users in by asking PostgreSQL.
    const list = await harness.until('user list', async () => {
      const text = readFileSync(harness.file(0, 'etc', 'userlist.txt'), 'utf8');
      return text.includes('"app" "SCRAM-SHA-256$') ? text : undefined;
    });
    assert.ok(!list.includes('operator'));
    await assert.rejects(harness.asApp(0, 'postgres', 'SELECT 1'), 'no rule lets it in');
    await assert.rejects(harness.asApp(0, 'pgbouncer', 'SHOW POOLS'), 'the console is closed');
  });

  test('the read-only alias leads to replicas', async () => {
    const primary = await harness.primary();
    const replica = await harness.until('answer of a replica', async () => {
      const address = await harness.serverBehind(primary, 'shop_readonly');
      return address === addressOf(primary) ? undefined : address;
    });
    assert.ok(harness.cluster.members.some(({ address }) => address === replica));
    await assert.rejects(harness.asApp(primary, 'shop_readonly', 'CREATE TABLE no (n int)'));
  });

  test('a switchover is carried out as work that any unit can start and follow', async () => {
    await harness.allStreaming();
    const target = ((await harness.primary()) + 1) % 3;
    const { member } = harness.cluster.at(target).member;
    const ending = await harness.switchover(member, { startAt: 1, followAt: 2 });
    assert.equal(ending.outcome, 'done', ending.message + ending.lines.join('\n'));
    assert.equal(ending.result['primary'], member);
    assert.ok(ending.lines.some((line) => /^switchover: done in /.test(line)));
    await harness.allRoutedTo(target);
    await harness.until('record that is done', async () => {
      return (await harness.world(0)).work?.outcome === 'done' || undefined;
    });
  });

  test('a switchover that cannot be done is refused with a reason; nothing moves', async () => {
    await harness.allStreaming();
    const before = await harness.primary();
    const unknown = harness.switchover('postgresql-9');
    await assert.rejects(unknown, { code: 'switchover-refused', message: /no member/ });
    await assert.rejects(harness.agent(0).startWork('nonsense', {}), { code: 'no-such-work' });
    assert.equal(await harness.primary(), before);
  });

  test('the pooler follows when the primary dies', async () => {
    await harness.allStreaming();
    const before = await harness.primary();
    let killed: number | undefined;
    const now = await harness.until('other primary', async () => {
      // Patroni starts it again in its place where no replica has answered in time.
      const pid = harness.cluster.postmasterPid(before);
      const index = await harness.primary();
      if (index !== before) return index;
      if (pid === undefined || pid === killed) return undefined;
      process.kill(pid, 'SIGKILL');
      killed = pid;
      return undefined;
    });
    assert.ok(killed);
    await harness.allRoutedTo(now);
    await harness.allStreaming();
  });

  test('a pooler that is restarted serves without an agent; the agent finds it so', async () => {
    const primary = await harness.primary();
    const ini = () => readFileSync(harness.file(0, 'etc', 'pgbouncer.ini'), 'utf8');
    const before = await harness.until('alias with both replicas', async () => {
      return /^shop_readonly = host=[\d.]+,[\d.]+ /m.test(ini()) ? ini() : undefined;
    });
    await harness.cluster.end('pgbouncer-0', 'SIGKILL');
    await harness.cluster.end('agent-0', 'SIGKILL');
    harness.cluster.startPgbouncer(0);
    await harness.allRoutedTo(primary);
    harness.startAgent(0);
    await harness.until('agent', async () => (await harness.world(0)).pooler.known || undefined);
    await harness.until('the same configuration', async () => ini() === before || undefined);
  });

  test('a generation is in force when apply answers; an unknown version is refused', async () => {
    const { pooler } = harness.cluster.desired(1);
    const rule = { user: 'app', databases: ['postgres'], networks: ['127.0.0.0/8'] };
    const change = { pooler: { ...pooler, access: [...pooler.access, rule] } };
    harness.cluster.writeDesired(1, { ...change, generation: 7 });
    assert.equal(await harness.agent(1).apply(7, 60_000), 7);
    assert.equal((await harness.asApp(1, 'postgres', 'SELECT 1 AS n'))[0]?.['n'], 1);
    harness.cluster.writeDesired(1, { version: 99 as 1, generation: 8 });
    assert.equal(await harness.agent(1).apply(8, 500), 7);
  });

  test('the charm was woken for what happened, and rests when nothing does', async () => {
    const wakes = () => readFileSync(harness.file(2, 'wakes'), 'utf8').trimEnd().split('\n').length;
    assert.ok(wakes() >= 5, `${wakes()} wakes`);
    await harness.until('rest', async () => {
      const before = wakes();
      await delay(4000);
      return wakes() === before || undefined;
    });
  });

  test('metrics tell the role of every member and the state of the pooler', async () => {
    const text = await harness.until('metrics of a healthy cluster', async () => {
      const response = await fetch(`http://${addressOf(1)}:9188/metrics`);
      const metrics = await response.text();
      const healthy = [/^pgcharm_cluster_has_primary 1$/m, /^pgcharm_pooler_up 1$/m];
      return healthy.every((line) => line.test(metrics)) ? metrics : undefined;
    });
    assert.equal(text.match(/^pgcharm_cluster_member_role\{.*role="primary"\} 1$/gm)?.length, 1);
    assert.match(text, /^pgcharm_agent_process_resident_memory_bytes \d+/m);
  });

  test('a unit that leaves hands the primary role over', async () => {
    const before = await harness.primary();
    const report = await harness
      .agent(before)
      .leave({ timeoutMs: before === 0 ? 20_000 : 60_000, heirs: [] });
    assert.notEqual(await harness.primary(), before, JSON.stringify(report));
    // The only voter sits on the first unit, and no charm is here to move it.
    assert.equal(report.complete, before !== 0);
  });
});

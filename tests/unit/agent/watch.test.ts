/** What watches share: loops, probes that fail once, who leads etcd, what a file holds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { logTo } from '../../../lib/std/log.ts';
import { withReplication } from '../../../src/agent/decide/cluster.ts';
import { betterLeader } from '../../../src/agent/decide/etcd-leader.ts';
import { slotsOfReplicas } from '../../../src/agent/decide/slots.ts';
import { Loop } from '../../../src/agent/loop.ts';
import { parseDesired } from '../../../src/agent/settings.ts';
import { membersNow } from '../../../src/agent/watch/etcd.ts';
import { Steady } from '../../../src/agent/watch/steady.ts';
import { type EtcdMember, known, unknown } from '../../../src/charm/model/world.ts';
import { aMember, clusterOf } from './cluster.ts';

describe('loop', () => {
  const log = logTo(() => undefined);

  test('nudges during a run make one more; fresh() waits for a run that began later', async () => {
    let runs = 0;
    let gate = Promise.withResolvers<void>();
    const run = async () => {
      runs += 1;
      await gate.promise;
    };
    const loop = new Loop({ name: 'test', log, everyMs: () => 3_600_000, run });
    loop.start();
    loop.nudge();
    loop.nudge();
    const fresh = loop.fresh();
    gate.resolve();
    await fresh;
    assert.equal(runs, 2);
    gate = Promise.withResolvers<void>();
    gate.resolve();
    await loop.fresh();
    assert.equal(runs, 3);
    await loop.stop();
    loop.nudge();
    assert.equal(runs, 3);
  });

  test('a run that throws is logged, and the next one comes', async () => {
    const lines: string[] = [];
    let runs = 0;
    const loop = new Loop({
      name: 'broken',
      log: logTo((_, line) => lines.push(line)),
      everyMs: () => 3_600_000,
      async run() {
        runs += 1;
        throw new Error('a bug');
      },
    });
    loop.start();
    await loop.fresh();
    await loop.stop();
    assert.equal(runs, 2);
    assert.match(lines[0] ?? '', /broken failed: a bug/);
  });
});

test('one failure of a probe changes nothing, the second does, and an answer heals at once', () => {
  const steady = new Steady();
  const [before, failure, after] = [known(1), unknown('late'), known(2)];
  assert.equal(steady.settle(before, failure), before);
  assert.equal(steady.settle(before, failure), failure);
  assert.equal(steady.settle(failure, failure), failure);
  assert.equal(steady.settle(failure, after), after);
});

test('who streams is what the primary says, not what Patroni calls running', () => {
  const members = [aMember('a', { role: 'primary' }), aMember('b'), aMember('c'), aMember('d')];
  const view = withReplication(known(clusterOf(members)), [
    { member: 'a', state: 'streaming', lagBytes: 1 },
    { member: 'b', state: 'streaming', lagBytes: 7 },
    { member: 'c', state: 'catchup', lagBytes: 9 },
  ]);
  assert.ok(view.known);
  assert.deepEqual(
    view.value.members.map(({ streaming, lagBytes }) => [streaming, lagBytes]),
    [
      [false, undefined],
      [true, 7],
      [false, 9],
      [false, undefined],
    ],
  );
});

describe('the leadership of etcd', () => {
  const voter = (name: string, change: Partial<EtcdMember> = {}): EtcdMember => {
    const rest = { id: `id-${name}`, peerUrl: name, learner: false, healthy: true };
    return { ...rest, name, silentMs: 0, inSync: true, ...change };
  };
  const cluster = known(clusterOf([aMember('a', { role: 'primary' }), aMember('b')]));
  const etcd = (members: EtcdMember[], leader = 'a') => known({ members, leader });

  test('leaves the unit of the primary, for a voter that answers', () => {
    assert.equal(betterLeader(etcd([voter('a'), voter('c'), voter('b')]), cluster, 'a'), 'id-b');
    const silent = [voter('b', { healthy: false }), voter('c'), voter('d'), voter('e')];
    assert.equal(betterLeader(etcd([voter('a'), ...silent]), cluster, 'a'), 'id-c');
  });

  test('stays where it is otherwise', () => {
    const three = [voter('a'), voter('b'), voter('c')];
    const sick = [voter('a'), voter('b'), voter('c', { healthy: false })];
    const learning = [voter('a'), voter('b'), voter('c', { learner: true })];
    assert.equal(betterLeader(etcd(three, 'b'), cluster, 'a'), undefined);
    assert.equal(betterLeader(etcd(three, 'b'), cluster, 'b'), undefined);
    assert.equal(betterLeader(etcd([voter('a')]), cluster, 'a'), undefined);
    assert.equal(betterLeader(etcd(sick), cluster, 'a'), undefined);
    assert.equal(betterLeader(etcd(learning), cluster, 'a'), undefined);
    assert.equal(betterLeader(unknown('silent'), cluster, 'a'), undefined);
  });
});

test('a desired.json that is not ours to read is refused', () => {
  assert.equal(parseDesired('{"version":1,"generation":3}').generation, 3);
  assert.throws(() => parseDesired('{"version":2}'), /version is 2, known is 1/);
  for (const text of ['', '[]', 'null', '{}', '{"version":']) {
    assert.throws(() => parseDesired(text), Error, text);
  }
});

test('a member that was removed does not tell who the members are', async () => {
  const peer = (id: string) => ({
    id,
    name: id,
    peerUrl: `${id}:2380`,
    clientUrl: id,
    learner: false,
  });
  const { peers } = await membersNow({
    members: async (clientUrl) => (clientUrl === 'b' ? [peer('b')] : [peer('a'), peer('b')]),
    status: async (clientUrl) => ({
      id: clientUrl,
      leaderId: clientUrl === 'b' ? 'b' : undefined,
      version: '3.4.23',
      raftIndex: 1,
      appliedIndex: 1,
    }),
  });
  assert.deepEqual(
    peers.map(({ id }) => id),
    ['b'],
  );
});

describe('slots of the replicas', () => {
  const [leader, replica] = [aMember('pg-a-0', { role: 'primary' }), aMember('pg-a-1')];
  const of = (...members: (typeof leader)[]) => known(clusterOf(members));

  test('are made by the member that leads, for all others, under the names of Patroni', () => {
    const third = aMember('pg-a-2', { role: 'sync-standby' });
    assert.deepEqual(slotsOfReplicas(of(leader, replica, third), 'pg-a-0'), ['pg_a_1', 'pg_a_2']);
    assert.deepEqual(slotsOfReplicas(of(leader), 'pg-a-0'), []);
  });

  test('are nobody else’s business, nor of a cluster that nobody leads', () => {
    assert.equal(slotsOfReplicas(of(leader, replica), 'pg-a-1'), undefined);
    assert.equal(slotsOfReplicas(of(replica), 'pg-a-1'), undefined);
    assert.equal(slotsOfReplicas(unknown('etcd is away'), 'pg-a-0'), undefined);
  });
});

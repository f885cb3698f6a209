/** get-primary and promote-to-primary: what they answer, what they refuse and in which words. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { getPrimary } from '../../../src/charm/actions/get-primary.ts';
import { promoteToPrimary } from '../../../src/charm/actions/promote-to-primary.ts';
import { status } from '../../../src/charm/decide/status.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { type ClusterMember, known, unknown } from '../../../src/charm/model/world.ts';
import { IDENTIFIER, joining } from '../../support/world.ts';

const member = (number: number, more: Partial<ClusterMember> = {}): ClusterMember => ({
  name: `postgresql-${number}`,
  address: `10.0.0.1${number}`,
  role: 'sync-standby',
  state: 'running',
  timeline: 1,
  lagBytes: 0,
  streaming: true,
  pendingRestart: false,
  tags: {},
  ...more,
});
const primary = member(1, { role: 'primary', streaming: false });
const voter = {
  id: '1',
  name: 'postgresql-1',
  peerUrl: 'https://10.0.0.11:2380',
  learner: false,
  healthy: true,
  silentMs: 0,
  inSync: true,
};

/** The snapshot of postgresql/0 in a cluster with these members. */
async function within(members: ClusterMember[]): Promise<Snapshot> {
  const world = joining();
  world.elsewhere = { initialized: IDENTIFIER, members: [primary] };
  world.committed.app['system-identifier'] = IDENTIFIER;
  await world.settle();
  const snapshot = world.snapshot();
  assert.ok(snapshot.agent.known && snapshot.agent.value.cluster.known);
  const cluster = known({ ...snapshot.agent.value.cluster.value, members });
  return { ...snapshot, agent: known({ ...snapshot.agent.value, cluster }) };
}

/** The same unit when the only voter, on the primary's unit, is gone. */
async function alone(): Promise<Snapshot> {
  const snapshot = await within([]);
  assert.ok(snapshot.agent.known);
  const lost = unknown('no answer');
  return { ...snapshot, agent: known({ ...snapshot.agent.value, cluster: lost, etcd: lost }) };
}

describe('get-primary', () => {
  test('names the unit', async () => {
    const answer = getPrimary.plan(await within([primary, member(0)]), undefined);
    const results = { primary: 'postgresql/1' };
    assert.partialDeepStrictEqual(answer, { accepted: true, steps: [], results });
  });

  test('says why it cannot', async () => {
    const none = getPrimary.plan(await within([member(0)]), undefined);
    assert.partialDeepStrictEqual(none, { accepted: false, code: 'no-primary' });
    assert.match('message' in none ? none.message : '', /none at the moment/);
    const blind = getPrimary.plan(await alone(), undefined);
    assert.match('message' in blind ? blind.message : '', /no answer/);
  });
});

describe('promote-to-primary', () => {
  const plan = (world: Snapshot, force = false) => promoteToPrimary.plan(world, { force });

  test('takes no other scope than unit', () => {
    assert.throws(() => promoteToPrimary.parse({ scope: 'cluster' }), /"cluster", allowed is unit/);
    assert.throws(() => promoteToPrimary.parse({}), /scope is missing/);
    const parsed = promoteToPrimary.parse({ scope: 'unit', force: true });
    assert.deepEqual(parsed, { force: true, endTransactions: false });
    const wrong = { scope: 'unit', 'end-transactions': 'yes' };
    assert.throws(() => promoteToPrimary.parse(wrong), /end-transactions is "yes", allowed: true/);
  });

  test('hands over to a member that streams without lag', async () => {
    assert.partialDeepStrictEqual(plan(await within([primary, member(0)])), {
      accepted: true,
      steps: [{ kind: 'run-work', args: { kind: 'switchover', params: { to: 'postgresql-0' } } }],
      results: { primary: 'postgresql/0', 'previous-primary': 'postgresql/1' },
    });
  });

  test('has nothing to do on the primary', async () => {
    const world = await within([member(0, { role: 'primary' })]);
    assert.deepEqual(plan(world), { accepted: true, steps: [], results: PRIMARY });
  });

  const refusals: [string, ClusterMember[], RegExp][] = [
    ['a member far behind', [primary, member(0, { lagBytes: 2 ** 40 })], /lags by 1099511627776/],
    ['one that does not stream', [primary, member(0, { streaming: false })], /does not stream/],
    ['one of unknown lag', [primary, member(0, { lagBytes: undefined })], /lags/],
    ['one kept from it', [primary, member(0, { tags: { nofailover: true } })], /nofailover/],
    ['a stranger', [primary], /not a member/],
    ['anyone while there is no primary', [member(0)], /about to elect/],
  ];
  for (const [whom, members, words] of refusals) {
    test(`refuses ${whom}, also when forced`, async () => {
      const world = await within(members);
      for (const force of [false, true]) {
        const answer = plan(world, force);
        assert.equal(answer.accepted, false);
        assert.match('message' in answer ? answer.message : '', words);
      }
    });
  }

  test('without etcd it says how to go on alone, and does it when forced', async () => {
    const refused = plan(await alone());
    assert.match('message' in refused ? refused.message : '', /run again with force=true/);
    assert.partialDeepStrictEqual(plan(await alone(), true), {
      accepted: true,
      steps: [{ kind: 'reform-etcd', args: { epoch: 2, systemIdentifier: IDENTIFIER } }],
      results: PRIMARY,
    });
  });

  test('the status names this way out as soon as it is open, and not before', async () => {
    const says = (world: Snapshot) => JSON.stringify(status(world));
    const world = await alone();
    assert.match(says(world), /promote-to-primary scope=unit force=true/);
    assert.ok(world.agent.known);
    // Patroni has been found silent first; etcd may still answer.
    const etcd = known({ members: [voter], leader: undefined });
    const early = { ...world, agent: known({ ...world.agent.value, etcd }) };
    assert.equal(plan(early, true).accepted, false);
    assert.doesNotMatch(says(early), /force=true/);
  });

  test('goes on alone beside a voter that lost the others, not during an election', async () => {
    const world = await alone();
    const beside = (silentMs: number): Snapshot => {
      assert.ok(world.agent.known);
      const members = [{ ...voter, healthy: false, silentMs }];
      const etcd = known({ members, leader: undefined });
      return { ...world, agent: known({ ...world.agent.value, etcd }) };
    };
    assert.equal(plan(beside(60_000), true).accepted, true);
    assert.equal(plan(beside(60_000)).accepted, false);
    assert.equal(plan(beside(5000), true).accepted, false);
  });

  test('never goes on alone without a copy of the database', async () => {
    const world = await alone();
    const empty = { ...world, data: { ...world.data, systemIdentifier: undefined } };
    assert.partialDeepStrictEqual(plan(empty, true), { accepted: false, code: 'no-data' });
  });
});

const PRIMARY = { primary: 'postgresql/0' };

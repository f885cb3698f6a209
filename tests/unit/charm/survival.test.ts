/** What a unit says it holds when etcd is lost, by what its agent remembers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { promoteToPrimary } from '../../../src/charm/actions/promote-to-primary.ts';
import { status } from '../../../src/charm/decide/status.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { survival } from '../../../src/charm/model/survival.ts';
import { type ClusterView, known, type Role, unknown } from '../../../src/charm/model/world.ts';
import { IDENTIFIER, joining } from '../../support/world.ts';

/** postgresql/0 after the loss; `role` is its own when the cluster was last seen. */
async function lost(role: Role | undefined, synchronous = true): Promise<Snapshot> {
  const world = joining();
  world.elsewhere = { initialized: IDENTIFIER, members: [] };
  world.committed.app['system-identifier'] = IDENTIFIER;
  await world.settle();
  const snapshot = world.snapshot();
  assert.ok(snapshot.agent.known && snapshot.agent.value.cluster.known);
  const { value } = snapshot.agent.value.cluster;
  const member = (name: string, its: Role) => ({
    name,
    address: '10.0.0.10',
    role: its,
    state: 'running',
    timeline: 1,
    lagBytes: 0,
    streaming: true,
    pendingRestart: false,
    tags: {},
  });
  const others: Role = role === 'primary' ? 'sync-standby' : 'primary';
  const lastCluster: ClusterView = {
    ...value,
    dynamic: { synchronous_mode: synchronous },
    members: [member('postgresql-0', role ?? 'replica'), member('postgresql-1', others)],
  };
  const silent = unknown('no answer');
  const agent = { ...snapshot.agent.value, cluster: silent, etcd: silent };
  return { ...snapshot, agent: known(role === undefined ? agent : { ...agent, lastCluster }) };
}

describe('when etcd is lost', () => {
  const rows: [Role | undefined, boolean, string][] = [
    ['primary', true, 'nothing'],
    ['sync-standby', true, 'nothing'],
    ['sync-standby', false, 'perhaps'],
    ['replica', true, 'perhaps'],
    [undefined, true, 'unknown'],
  ];
  for (const [role, synchronous, loss] of rows) {
    test(`a ${role ?? 'forgotten member'} would lose ${loss} (${synchronous})`, async () => {
      const world = await lost(role, synchronous);
      assert.equal(survival(world).loss, loss);
      const answer = promoteToPrimary.plan(world, { force: true, endTransactions: false });
      assert.partialDeepStrictEqual(answer, { accepted: true, results: { loss } });
    });
  }

  test('a replica names who has more, in its status and in the refusal', async () => {
    const world = await lost('replica');
    const said = /may lack the last acknowledged commits, which postgresql\/1 had/;
    assert.match(JSON.stringify(status(world)), said);
    const refused = promoteToPrimary.plan(world, { force: false, endTransactions: false });
    assert.match(JSON.stringify(refused), said);
  });

  test('a unit without the database says so', async () => {
    const world = await lost('replica');
    const empty = { ...world, data: { ...world.data, systemIdentifier: undefined } };
    assert.equal(survival(empty).loss, 'everything');
  });
});

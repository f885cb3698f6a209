/** Which replicas clients are told of for reading. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointsOf } from '../../../src/charm/decide/client-facts.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { type ClusterMember, known } from '../../../src/charm/model/world.ts';
import { UnitWorld } from '../../support/world.ts';

const member = (n: number, change: Partial<ClusterMember> = {}): ClusterMember => ({
  name: `postgresql-${n}`,
  address: `10.0.0.1${n}`,
  role: 'sync-standby',
  state: 'running',
  timeline: 1,
  lagBytes: 0,
  streaming: true,
  pendingRestart: false,
  tags: {},
  ...change,
});
const primary = member(0, { role: 'primary', streaming: false });

const unit = new UnitWorld();
await unit.settle();
const settled = unit.snapshot();

/** @param readers what the pooler's agent says; undefined: it does not */
function readOnly(members: ClusterMember[], readers: string[] | undefined): string | undefined {
  assert.ok(settled.agent.known && settled.agent.value.cluster.known);
  const { value } = settled.agent;
  const cluster = known({ ...settled.agent.value.cluster.value, members });
  const pooler = known({
    generation: 1,
    primary: '10.0.0.10',
    users: [],
    paused: false,
    version: '1',
    ...(readers === undefined ? {} : { readers }),
  });
  const others = [1, 2].map((n) => ({
    name: `postgresql/${n}`,
    data: { 'database-address': `10.0.0.1${n}` },
    dying: false,
  }));
  const world: Snapshot = {
    ...settled,
    agent: known({ ...value, cluster, pooler }),
    peers: { ...settled.peers, others },
  };
  return endpointsOf(world, 'postgresql-0', '15').readOnlyEndpoints;
}

describe('read-only endpoints', () => {
  test('are those of the replicas that the agent finds fit', () => {
    const members = [primary, member(1), member(2)];
    assert.equal(readOnly(members, ['10.0.0.11', '10.0.0.12']), '10.0.0.11:5432,10.0.0.12:5432');
    assert.equal(readOnly(members, ['10.0.0.12']), '10.0.0.12:5432', 'the other one lags');
    assert.equal(readOnly(members, []), '10.0.0.10:5432', 'both lag: the primary');
  });

  test('until the agent says so are those that stream', () => {
    const members = [primary, member(1), member(2, { streaming: false })];
    assert.equal(readOnly(members, undefined), '10.0.0.11:5432');
  });

  test('never are those that are kept from reading', () => {
    const members = [primary, member(1, { tags: { noloadbalance: true } }), member(2)];
    assert.equal(readOnly(members, undefined), '10.0.0.12:5432');
    assert.equal(readOnly(members, ['10.0.0.11', '10.0.0.12']), '10.0.0.12:5432');
  });
});

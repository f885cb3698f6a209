/** Members and clusters for tests of the agent's deciders. */
import fc from 'fast-check';
import type { AgentWorld, ClusterMember, ClusterView } from '../../../src/charm/model/world.ts';
import { unknown } from '../../../src/charm/model/world.ts';

export function aMember(name: string, change: Partial<ClusterMember> = {}): ClusterMember {
  return {
    name,
    address: `addr-${name}`,
    role: 'replica',
    state: 'running',
    timeline: 1,
    lagBytes: undefined,
    streaming: false,
    pendingRestart: false,
    tags: {},
    ...change,
  };
}

export function clusterOf(members: ClusterMember[]): ClusterView {
  return { initialized: '7', members, dynamic: { ttl: 20 }, paused: false, failsafe: true };
}

export function aWorld(change: Partial<AgentWorld> = {}): AgentWorld {
  const nothing = unknown('not asked');
  return {
    generation: 1,
    revision: 'test',
    etcd: nothing,
    cluster: nothing,
    database: nothing,
    local: nothing,
    pooler: nothing,
    peers: {},
    jobs: [],
    work: undefined,
    backup: nothing,
    ...change,
  };
}

/** Up to seven members, at most one primary. */
export const someMembers: fc.Arbitrary<ClusterMember[]> = fc
  .array(
    fc.record({
      role: fc.constantFrom('replica', 'sync-standby') as fc.Arbitrary<ClusterMember['role']>,
      streaming: fc.boolean(),
      lagBytes: fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 2 ** 30 })),
      tags: fc.constantFrom({}, { nofailover: true }),
    }),
    { maxLength: 7 },
  )
  .chain((parts) =>
    fc
      .integer({ min: -1, max: parts.length - 1 })
      .map((primary) =>
        parts.map((part, n) =>
          aMember(String(n), n === primary ? { ...part, role: 'primary', streaming: false } : part),
        ),
      ),
  );

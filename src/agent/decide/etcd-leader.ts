/**
 * Whether etcd's leadership should leave this unit: a node that takes etcd's leader and the primary
 * with it costs four seconds more, since a new etcd leader first renews every lease. Pure.
 */
import type { ClusterView, EtcdView, Observed } from '../../charm/model/world.ts';

/** @returns the id of the voter that should lead instead, or undefined to leave things be */
export function betterLeader(
  etcd: Observed<EtcdView>,
  cluster: Observed<ClusterView>,
  self: string,
): string | undefined {
  if (!etcd.known || !cluster.known || etcd.value.leader !== self) return undefined;
  const primary = cluster.value.members.find((member) => member.role === 'primary');
  if (primary?.name !== self) return undefined;
  const { members } = etcd.value;
  // Never while the membership is changing.
  if (members.some((member) => member.learner)) return undefined;
  const others = members.filter((member) => member.name !== self && member.healthy);
  // Where etcd would be lost with this unit all the same, nothing is won.
  if (others.length <= members.length / 2) return undefined;
  return others.toSorted((a, b) => (a.name < b.name ? -1 : 1))[0]?.id;
}

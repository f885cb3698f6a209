/**
 * Which replication slots the replicas of this unit's server wait for when it has just been given
 * the lead. Pure. Patroni makes them, too, but only in the round after the promotion, which it
 * notices by looking once a second; until then every replica is refused, and every commit waits.
 */
import type { ClusterView, Observed } from '../../charm/model/world.ts';

/** @returns names of slots; undefined while another member leads, or none */
export function slotsOfReplicas(
  cluster: Observed<ClusterView>,
  self: string,
): string[] | undefined {
  if (!cluster.known) return undefined;
  const { members } = cluster.value;
  if (!members.some(({ name, role }) => name === self && role === 'primary')) return undefined;
  return members.filter(({ name }) => name !== self).map(({ name }) => slotOf(name));
}

/** As Patroni names them (dcs/__init__.py, slot_name_from_member_name), of names of units. */
const slotOf = (member: string): string => member.toLowerCase().replaceAll(/[-.]/g, '_');

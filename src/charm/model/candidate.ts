/** Who may become primary, and who does it best. Pure. */
import type { ClusterMember, ClusterView } from './world.ts';

/** More than this behind, a switchover would stall writers for its catching up. */
export const MAX_CANDIDATE_LAG_BYTES = 1024 * 1024;

/** Why a member cannot take over without loss, as half a sentence; undefined: it can. */
export function unfitness(member: ClusterMember): string | undefined {
  if (member.tags['nofailover'] === true) return 'it is tagged nofailover';
  if (!member.streaming) return `it does not stream from the primary (state ${member.state})`;
  const lagBytes = member.lagBytes ?? Number.POSITIVE_INFINITY;
  if (lagBytes > MAX_CANDIDATE_LAG_BYTES) return `it lags by ${lagBytes} bytes`;
  return undefined;
}

/** The fit member to prefer: synchronous first, then the least lag, then the name. */
export function bestCandidate(cluster: ClusterView): ClusterMember | undefined {
  const anySync = cluster.members.some((member) => member.role === 'sync-standby');
  return cluster.members
    .filter((member) => member.role !== 'primary' && unfitness(member) === undefined)
    .filter((member) => !anySync || member.role === 'sync-standby')
    .toSorted((a, b) => (a.lagBytes ?? 0) - (b.lagBytes ?? 0) || (a.name < b.name ? -1 : 1))[0];
}

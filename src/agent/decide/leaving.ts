/**
 * What the others would miss if this unit went now, and until when it waits for them. Pure: who
 * looks, hands over and wakes is leave.ts.
 */
import type { AgentWorld, ClusterMember } from '../../charm/model/world.ts';

/** What others still need this unit for. */
export interface Open {
  primary: boolean;
  voter: boolean;
  /** No unit that stays has cloned the data yet. */
  copy: boolean;
  /** Somebody clones: until that ends its Patroni cannot be told of another voter either. */
  cloning: boolean;
}

/** A unit that stays may only just be installed: from `add-unit` to its clone. */
const FIRST_COPY_MS = 15 * 60_000;
/** Whatever clones for longer than this will not end. */
const CLONE_MS = 24 * 3600_000;

/**
 * While etcd or the cluster cannot be asked this unit counts as needed: a change of voters or of
 * the primary looks like that for a moment.
 *
 * @param heirs members that stay, when none of them had the data; empty when one had
 */
export function openOf(world: AgentWorld, self: string, heirs: readonly string[]): Open {
  const { cluster, etcd } = world;
  const members = cluster.known ? cluster.value.members : [];
  const hasCopy = ({ name, state }: ClusterMember) =>
    heirs.includes(name) && ['running', 'streaming'].includes(state);
  return {
    primary: members.some(({ name, role }) => name === self && role === 'primary'),
    voter: !etcd.known || etcd.value.members.some(({ name }) => name === self),
    copy: heirs.length > 0 && !members.some(hasCopy),
    cloning: members.some(({ name, state }) => name !== self && state === 'creating replica'),
  };
}

export function waitsForClone({ copy, cloning, voter }: Open): boolean {
  return copy || (cloning && voter);
}

/**
 * Until when to wait, in ms since the epoch: as long as it takes for a clone that depends on this
 * unit, not for ever for one that nobody has even begun, and otherwise the time allowed.
 *
 * @param since when it last waited for a clone, or when it began to leave
 */
export function leaveBy(
  open: Open,
  { startedAt, since, timeoutMs }: { startedAt: number; since: number; timeoutMs: number },
): number {
  if (!waitsForClone(open)) return since + timeoutMs;
  return startedAt + (open.cloning ? CLONE_MS : FIRST_COPY_MS);
}

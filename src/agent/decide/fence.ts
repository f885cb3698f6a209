/**
 * Whether a primary that is silent may be replaced before its lease runs out: who is suspected,
 * what must be true in etcd, and which of Patroni's keys then go. Pure. Proof is not made here: the
 * keys may go only after the operator's command has said that the machine is off.
 *
 * What makes it safe: the keys are read before the machine is asked about and removed only while
 * each of them is still of that revision. Whoever wrote them has then ended with the machine, and
 * a Patroni that has started there since would have written its own. Should the command be wrong,
 * nothing is lost either: only with strict synchronous mode is anybody replaced, in which the old
 * primary acknowledges nothing without a standby, and the new one is one of those. The lease itself
 * is left alone: a Patroni that lives and finds its lease gone takes a new one and writes its name
 * over the next leader's (dcs/etcd3.py, _update_leader). tests/sim/fence.test.ts shows all three.
 */
import type { ClusterMember, ClusterView, Observed, WorkView } from '../../charm/model/world.ts';
import type { Pulse } from './holding.ts';
import { readSyncRecord } from './sync-record.ts';

export interface FenceView {
  /** Member name of this unit. */
  readonly self: string;
  readonly cluster: Observed<ClusterView>;
  readonly pulse: Pulse | undefined;
  readonly work: WorkView | undefined;
}

/** The primary, when it is another unit's, was heard, and is heard no more. */
export function suspected({ self, cluster, pulse, work }: FenceView): ClusterMember | undefined {
  if (!cluster.known || cluster.value.paused || pulse?.state !== 'lost') return undefined;
  // A restore stops the servers itself, and chooses itself who leads after it.
  if (work?.outcome === 'running' && work.kind === 'restore') return undefined;
  const primary = cluster.value.members.find(({ role }) => role === 'primary');
  return primary?.name !== self && primary?.address === pulse.address ? primary : undefined;
}

/** Of one of its ports, or of an agent that was asked whether it hears the primary. */
export type Sign = 'alive' | 'silent';

/** One sign of life is enough; without any sign nothing is known. */
export function isDeadSilent(signs: readonly Sign[]): boolean {
  return signs.length > 0 && signs.every((sign) => sign === 'silent');
}

/** A key as it was read. */
export interface KeySeen {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
}

export type Fencing =
  | {
      readonly possible: true;
      /** Keys that must not have changed; revision 0: that must not be there. */
      readonly guards: { key: string; modRevision: number }[];
      readonly removals: { delete: string }[];
    }
  | { readonly possible: false; readonly reason: string };

/**
 * @param keys all of Patroni's, of one moment
 * @param prefix of those keys: `/db/postgresql/`
 * @param member who is to be replaced
 */
export function fencing(keys: readonly KeySeen[], prefix: string, member: string): Fencing {
  const at = (name: string) => keys.find(({ key }) => key === `${prefix}${name}`);
  const [leader, config, sync] = [at('leader'), at('config'), at('sync')];
  if (leader?.value !== member) return refusal(`${member} does not hold the leader key`);
  if (!isStrict(config?.value)) return refusal('synchronous mode is not strict, or is paused');
  const record = readSyncRecord(sync?.value ?? '');
  const successors = record?.members.filter((name) => name !== member && at(`members/${name}`));
  if (record?.leader !== member || successors?.length === 0) {
    return refusal('no synchronous standby is there to take over');
  }
  // On the lease of the leader key: without it nobody asks a machine that is gone for its position.
  const own = `members/${member}`;
  const guarded = ['leader', 'config', 'sync', own];
  return {
    possible: true,
    guards: guarded.map((name) => ({
      key: `${prefix}${name}`,
      modRevision: at(name)?.modRevision ?? 0,
    })),
    removals: ['leader', own].map((name) => ({ delete: `${prefix}${name}` })),
  };
}

const refusal = (reason: string): Fencing => ({ possible: false, reason });

function isStrict(config: string | undefined): boolean {
  try {
    const dynamic: unknown = JSON.parse(config ?? '');
    if (typeof dynamic !== 'object' || dynamic === null) return false;
    const found = dynamic as Record<string, unknown>;
    const strict = found['synchronous_mode'] === true && found['synchronous_mode_strict'] === true;
    return strict && (found['pause'] ?? false) === false;
  } catch {
    return false;
  }
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** Between two attempts: the machine may be about to go off, or the command may be slow. */
export function pauseMs(attempts: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.max(attempts - 1, 0), LONGEST_PAUSE_MS);
}

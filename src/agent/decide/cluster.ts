/**
 * The view of the cluster, put together from Patroni's answer, its keys in etcd and what the
 * primary itself reports of its standbys. Pure.
 */
import type { ClusterMember, ClusterView, Observed, Role } from '../../charm/model/world.ts';

/** A row of pg_stat_replication, by the standby's application name, which is its member name. */
export interface StandbyRow {
  readonly member: string;
  readonly state: string;
  readonly lagBytes: number;
}

/** A member as Patroni's `GET /cluster` prints it. */
export interface PatroniRow {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly host?: string;
  readonly timeline?: number;
  readonly lag?: number | 'unknown';
  readonly pending_restart?: boolean;
  readonly tags?: Record<string, unknown>;
}

const ROLES: Readonly<Record<string, Role>> = {
  leader: 'primary',
  master: 'primary',
  primary: 'primary',
  standby_leader: 'standby-leader',
  sync_standby: 'sync-standby',
  quorum_standby: 'sync-standby',
};

/** Without PostgreSQL's word nobody is called streaming; see withReplication(). */
export function memberOf(row: PatroniRow): ClusterMember {
  return {
    name: row.name,
    address: row.host ?? '',
    role: ROLES[row.role] ?? 'replica',
    state: row.state,
    timeline: row.timeline,
    lagBytes: typeof row.lag === 'number' ? row.lag : undefined,
    streaming: false,
    pendingRestart: row.pending_restart ?? false,
    tags: row.tags ?? {},
  };
}

/**
 * Adds what the primary says. Patroni's "running" is no proof of streaming: a switchover to a
 * member that had just said so lost acknowledged rows in measurements.
 */
export function withReplication(
  cluster: Observed<ClusterView>,
  standbys: readonly StandbyRow[],
): Observed<ClusterView> {
  if (!cluster.known) return cluster;
  const members = cluster.value.members.map((member) => {
    const row = standbys.find((standby) => standby.member === member.name);
    if (row === undefined || member.role === 'primary') return { ...member, streaming: false };
    return { ...member, streaming: row.state === 'streaming', lagBytes: row.lagBytes };
  });
  return { known: true, value: { ...cluster.value, members } };
}

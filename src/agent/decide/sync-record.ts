/**
 * What the primary's unit has to write into Patroni's record of synchronous standbys, the key
 * `sync`. Pure.
 *
 * Patroni before 4 leaves two gaps, closed here as Patroni 4 closes them itself. A cluster that
 * never had a synchronous standby has no record, so any replica may be promoted, also one that
 * lacks rows. And a standby that dies after PostgreSQL was told to wait for it but before it was
 * recorded is never given up: Patroni compares the record with who streams, finds both empty, and
 * every write waits for ever (ha.py, process_sync_replication).
 */
import type { ClusterView, Observed } from '../../charm/model/world.ts';

export interface SyncRecord {
  readonly leader: string | undefined;
  readonly members: readonly string[];
}

export interface SyncInput {
  /** Member name of this unit. */
  readonly self: string;
  readonly cluster: Observed<ClusterView>;
  /** Members that PostgreSQL here waits for at a commit; undefined: it is no primary. */
  readonly waitsFor: readonly string[] | undefined;
  /** Undefined: there is none. */
  readonly record: SyncRecord | undefined;
}

export type Remedy =
  /** A record that names nobody: no replica may be promoted before it is synchronous. */
  | 'begin'
  /** A record that names somebody who does not exist, so that Patroni sees a difference. */
  | 'shake';

/** No member is called so: the names of members end in a number. */
export const NOBODY = 'nobody';

export function syncRemedy(input: SyncInput): Remedy | undefined {
  const { self, cluster, waitsFor, record } = input;
  if (!cluster.known || waitsFor === undefined) return undefined;
  const { dynamic, members, paused } = cluster.value;
  const leads = members.some(({ name, role }) => name === self && role === 'primary');
  if (!leads || paused || dynamic['synchronous_mode'] !== true) return undefined;
  if (record?.leader === undefined) return 'begin';
  if (record.leader !== self || record.members.length > 0 || waitsFor.length === 0)
    return undefined;
  const present = members.some(({ name, streaming }) => streaming && waitsFor.includes(name));
  return present ? undefined : 'shake';
}

/** The value of the key. */
export function renderSyncRecord(self: string, remedy: Remedy): string {
  return JSON.stringify({ leader: self, sync_standby: remedy === 'shake' ? NOBODY : null });
}

/** @returns undefined for what is no record, as Patroni takes it */
export function readSyncRecord(value: string): SyncRecord | undefined {
  const parsed = parse(value);
  if (parsed === undefined) return undefined;
  const { leader, sync_standby: standby } = parsed;
  return {
    leader: typeof leader === 'string' ? leader : undefined,
    members: typeof standby === 'string' ? standby.split(',').filter((name) => name !== '') : [],
  };
}

/**
 * Names in PostgreSQL's `synchronous_standby_names` as Patroni writes it: one quoted name, or a
 * number (with ANY or FIRST before it) and a list in brackets. `*` is nobody in particular.
 */
export function standbyNames(setting: string): string[] {
  const list = /\((.*)\)/s.exec(setting)?.[1] ?? setting;
  const names = list.match(/"(?:[^"]|"")+"|[^\s,"]+/g) ?? [];
  return names
    .map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name))
    .filter((name) => name !== '*');
}

function parse(value: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

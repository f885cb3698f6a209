/**
 * What hooks and the agent ask of the workload, as interfaces: etcd, Patroni, SQL, PgBouncer and
 * the agent itself. Fakes in tests implement these; the real adapters stand beside this file.
 */
import type { LdapEntry } from '../model/ldap-entry.ts';
import type { AgentWorld, Observed } from '../model/world.ts';

export interface EtcdPort {
  /** As the first endpoint that answers knows them, or the member at `clientUrl`. */
  members(clientUrl?: string): Promise<EtcdPeer[]>;
  /** What one member says of itself, asked at its own client URL. */
  status(clientUrl: string, timeoutMs?: number): Promise<EtcdStatus>;
  /** @returns hexadecimal id of the new learner; safe to repeat: an existing one is returned */
  addLearner(peerUrl: string): Promise<string>;
  /** @throws OperatorError `etcd-refused` while the learner has not caught up */
  promote(id: string): Promise<void>;
  /** Safe to repeat: an unknown member counts as removed. */
  remove(id: string): Promise<void>;
  /** Asked at the leader's own client URL. */
  transferLeadership(leaderUrl: string, toId: string): Promise<void>;

  get(key: string): Promise<EtcdValue | undefined>;
  /** Every key that begins with `prefix`, ascending. */
  range(prefix: string): Promise<EtcdValue[]>;
  put(key: string, value: string, lease?: string): Promise<void>;
  delete(key: string): Promise<void>;
  deletePrefix(prefix: string): Promise<void>;
  /** All operations or, when a comparison does not hold, none. */
  txn(compare: EtcdCompare[], operations: EtcdOperation[]): Promise<boolean>;

  /** @returns the lease's id */
  grant(ttlSeconds: number): Promise<string>;
  /** @returns seconds left; 0: the lease is gone */
  keepAlive(lease: string): Promise<number>;
  revoke(lease: string): Promise<void>;

  /** Calls back for every change of the keys; ends with the connection or the signal. */
  watch(watched: EtcdWatch, signal?: AbortSignal): Promise<void>;
  close(): void;
}

export interface EtcdPeer {
  id: string;
  /** Empty until the member has started once. */
  name: string;
  peerUrl: string;
  clientUrl: string | undefined;
  learner: boolean;
}

export interface EtcdStatus {
  id: string;
  leaderId: string | undefined;
  version: string;
  raftIndex: number;
  appliedIndex: number;
}

export interface EtcdValue {
  key: string;
  value: string;
  createRevision: number;
  /** Revision of the last change: the fencing token of a compare-and-swap. */
  modRevision: number;
}

/** `modRevision` 0: the key must not exist. */
export interface EtcdCompare {
  key: string;
  modRevision: number;
}

export type EtcdOperation = { put: string; value: string; lease?: string } | { delete: string };

export interface EtcdWatch {
  /** Exact keys; those that end in `/` are prefixes. */
  keys: string[];
  onChange(key: string): void;
  /** The server has accepted the watch: every later change will be seen. */
  onReady?(): void;
}

export interface PatroniPort {
  cluster(): Promise<PatroniCluster>;
  /** Of the first address: what this Patroni says of its own PostgreSQL. */
  member(): Promise<PatroniMember>;
  config(): Promise<Record<string, unknown>>;
  /** Default limit: 10 s. */
  patchConfig(patch: Record<string, unknown>, timeoutMs?: number): Promise<void>;
  /** Answers when Patroni says that the new primary leads, or it cannot. */
  switchover(leader: string, candidate: string, timeoutMs: number): Promise<void>;
  restart(timeoutMs: number): Promise<void>;
  reload(): Promise<void>;
  /** Wipes and clones this replica again; Patroni answers at once and works on. */
  reinitialize(): Promise<void>;
  close(): void;
}

export interface PatroniCluster {
  members: PatroniClusterMember[];
  pause?: boolean;
}
export interface PatroniClusterMember {
  name: string;
  role: string;
  state: string;
  host?: string;
  api_url?: string;
  timeline?: number;
  lag?: number | 'unknown';
  pending_restart?: boolean;
  tags?: Record<string, unknown>;
}
export interface PatroniMember {
  state: string;
  role: string;
  server_version?: number;
  timeline?: number;
  database_system_identifier?: string;
}

export interface SqlPort {
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Several statements in one round trip; the rows of each. */
  queryAll(text: string): Promise<Record<string, unknown>[][]>;
  close(): Promise<void>;
  /** Resolves when the server or the network has ended the connection, or close() was called. */
  readonly closed: Promise<void>;
}

/** A connection to a directory, bound as somebody who may search. */
export interface DirectoryPort {
  /** Every entry below `base`, in pages. @throws OperatorError `ldap-unreachable` */
  search(wanted: LdapSearch): Promise<LdapEntry[]>;
  close(): void;
}
export interface LdapSearch {
  base: string;
  filter: string;
  attributes: readonly string[];
}

export interface PoolerAdmin {
  show(
    what:
      | 'DATABASES'
      | 'POOLS'
      | 'USERS'
      | 'STATS'
      | 'STATS_TOTALS'
      | 'CLIENTS'
      | 'LISTS'
      | 'CONFIG'
      | 'VERSION',
  ): Promise<Record<string, unknown>[]>;
  reload(): Promise<void>;
  reconnect(): Promise<void>;
  /**
   * Pauses every pool. In force from the first moment on; answers when all have come to rest.
   *
   * @throws OperatorError `pooler-timeout`; the pause stays in force until `resume`
   */
  pause(timeoutMs: number): Promise<void>;
  /** Safe to repeat, also when nothing is paused. */
  resume(): Promise<void>;
}

/** A hook's view of its unit's agent. */
export interface AgentPort {
  /** Never throws: an agent that does not answer is `unknown`. */
  world(): Promise<Observed<AgentWorld>>;
  /** Asks the agent to put this generation of desired.json in force. @returns what it reached */
  apply(generation: number, timeoutMs: number): Promise<number>;
  /** Wakes the charm once after this time, or earlier when something changes. */
  wakeAfter(ms: number): Promise<void>;
  /** Hands everything over that others need. @returns what was achieved, one line each */
  leave(request: LeaveRequest): Promise<LeaveReport>;
  /** @returns the id of the work's record */
  startWork(kind: string, params: Record<string, string>): Promise<string>;
  followWork(id: string, onLine: (line: string) => void): Promise<Ending>;
  startJob(kind: string, params: Record<string, string>): Promise<string>;
  followJob(id: string, onLine: (line: string) => void): Promise<Ending>;
  cancelJob(id: string): Promise<void>;
}

export interface LeaveRequest {
  /** For all that is not a clone under way, which takes as long as it takes. */
  timeoutMs: number;
  /** Members that stay, when none of them has the data; empty when one has. */
  heirs: string[];
}

export interface LeaveReport {
  /** Nothing of the others depends on this unit any more. */
  complete: boolean;
  lines: string[];
}

export interface Ending {
  outcome: 'done' | 'failed' | 'cancelled';
  message: string;
  result: Record<string, string>;
}

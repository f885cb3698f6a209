/**
 * What the unit's agent answers when a hook asks `GET /v1/world` on its unix socket: everything
 * about the running services, observed within the last second, each probe known or not.
 */
export type Observed<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: string };

export const known = <T>(value: T): Observed<T> => ({ known: true, value });
export const unknown = (reason: string): Observed<never> => ({ known: false, reason });

export interface AgentWorld {
  /** Generation of desired.json that is in force. */
  generation: number;
  /** `package.json` version plus content hash of the agent that answers. */
  revision: string;
  etcd: Observed<EtcdView>;
  cluster: Observed<ClusterView>;
  /** The cluster when it was last known and had a primary; absent after a start of the agent. */
  lastCluster?: ClusterView;
  /** From the primary, over the agent's resident connection. */
  database: Observed<DatabaseView>;
  /** The unit's own PostgreSQL, over its socket. */
  local: Observed<LocalView>;
  pooler: Observed<PoolerView>;
  /** What the other units' agents say of themselves, by unit name. */
  peers: Record<string, Observed<PeerView>>;
  jobs: JobView[];
  work: WorkView | undefined;
  backup: Observed<RepositoryView>;
  /** Absent where the directory's users are not synchronised: without one, and on replicas. */
  directory?: DirectoryView;
  /** Absent while this unit's member follows the primary, or may yet by itself. */
  reclone?: RecloneView;
}

export interface EtcdView {
  members: EtcdMember[];
  /** Name of the member that leads, if any. */
  leader: string | undefined;
}
export interface EtcdMember {
  /** Hexadecimal id as etcd prints it. */
  id: string;
  /** Empty until the member has started once. */
  name: string;
  peerUrl: string;
  learner: boolean;
  healthy: boolean;
  /** How long it has not answered, 0 when healthy. */
  silentMs: number;
  /** A learner that has caught up may be promoted. */
  inSync: boolean;
}

export type Role = 'primary' | 'sync-standby' | 'replica' | 'standby-leader';
export interface ClusterView {
  /** PostgreSQL's system identifier from the DCS; undefined before the first bootstrap. */
  initialized: string | undefined;
  /** A first primary has begun to be made, and was not finished. */
  founding?: boolean;
  members: ClusterMember[];
  /** Dynamic configuration as Patroni holds it (`/config`). */
  dynamic: Record<string, unknown>;
  paused: boolean;
  failsafe: boolean;
}
export interface ClusterMember {
  /** `postgresql-0` */
  name: string;
  address: string;
  role: Role;
  /** Patroni's word: running, streaming, starting, creating replica, stopped, crashed, … */
  state: string;
  timeline: number | undefined;
  lagBytes: number | undefined;
  /** From pg_stat_replication on the primary, not from Patroni; false for the primary itself. */
  streaming: boolean;
  pendingRestart: boolean;
  tags: Record<string, unknown>;
}

export interface DatabaseView {
  systemIdentifier: string;
  serverVersion: string;
  databases: string[];
  /** Those that `charmed_databases_owner` owns. Absent from an agent that does not say. */
  clientDatabases?: string[];
  /** Those that everybody may connect to. */
  openDatabases?: string[];
  roles: DatabaseRole[];
  /** Extensions that plugins have put into each database, by its own record; template1 as well. */
  extensions: Record<string, string[]>;
  /** Libraries that the primary has loaded at its start. */
  preloaded: string[];
}
/** A role that is not of a directory. */
export interface DatabaseRole {
  name: string;
  login: boolean;
  superuser: boolean;
  /** What it is a member of itself. */
  memberOf: string[];
  /** Of logins that neither the charm nor a relation has made: the databases they may enter. */
  connect?: string[];
  /** -1: no limit. This and what follows is absent from an agent that does not say. */
  connectionLimit?: number;
  comment?: string;
  /** The role that its sessions assume, by database; '' is every other one. */
  assumes?: Record<string, string>;
}
export interface LocalView {
  role: 'primary' | 'replica';
  serverVersion: string;
  pendingRestart: string[];
  /** Users that its access rules name. */
  hbaUsers: string[];
  /** Access rules that it cannot read: as long as there are any it keeps its former ones. */
  hbaErrors?: string[];
  /** Pages whose checksum was wrong, since its statistics began. */
  damagedPages: number;
}

export interface PoolerView {
  generation: number;
  /** Where it routes to; undefined when it has no primary. */
  primary: string | undefined;
  /** Addresses of the replicas that are fit for reading. Absent from an agent that does not say. */
  readers?: string[];
  users: string[];
  paused: boolean;
  version: string;
}
export interface PeerView {
  generation: number;
  /** Undefined while its pooler does not answer. */
  poolerUsers?: string[];
  /** Undefined while its PostgreSQL does not answer. */
  hbaUsers?: string[];
}

export interface JobView {
  id: string;
  kind: 'backup' | 'restore' | 'stanza' | 'list';
  state: 'running' | 'done' | 'failed' | 'cancelled';
  startedAt: number;
  endedAt: number | undefined;
  /** The last line of progress, or the reason of a failure. */
  message: string;
  result: Record<string, string>;
}

/** The one record in etcd of work that spans units. */
export interface WorkView {
  id: string;
  kind: 'switchover' | 'restore' | 'restart' | 'reclone';
  phase: string;
  owner: string;
  params: Record<string, string>;
  deadline: number;
  startedAt: number;
  outcome: 'running' | 'done' | 'failed';
  message: string;
}

/** What comes of a member that cannot follow the primary by itself. */
export interface RecloneView {
  /** `quarantined`: it is cloned no more by itself. */
  state: 'waiting' | 'quarantined';
  /** Why it cannot follow, as half a sentence. */
  reason: string;
  /** What its next clone waits for. */
  waitsFor?: string;
  /** How often it was cloned by itself, lately. */
  attempts: number;
}

/** How the roles of the directory's users are. */
export interface DirectoryView {
  /** Why the last synchronisation changed nothing. */
  problem: string | undefined;
  /** What an operator has to put right, one sentence each. */
  notes: string[];
  users: number;
}

export interface RepositoryView {
  stanza: 'ok' | 'missing' | 'foreign' | 'mismatch' | 'unreachable';
  /** Why not ok; one sentence with what to do. */
  message: string;
  backups: { label: string; type: 'full' | 'diff' | 'incr'; error: boolean; stop: number }[];
  archiving: boolean;
}

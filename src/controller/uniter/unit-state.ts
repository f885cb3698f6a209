/**
 * The two sides that the resolver compares: what a unit's agent has done and seen (UnitLocal), and
 * what the model says now (UnitRemote). Both are plain values read from the store in one go.
 */
import type { OperationState } from './operation.ts';

export type Life = 'alive' | 'dying' | 'dead';

/** The revision of a charm; `modified` grows with each refresh, also to identical content. */
export interface CharmVersion {
  id: number;
  modified: number;
}

/** Fingerprints of what config-changed reports. */
export interface ConfigHashes {
  config: string;
  trust: string;
  address: string;
}

/** What the agent has seen of one relation. */
export interface LocalRelation {
  inScope: boolean;
  createdRun: boolean;
  /** Remote unit -> databag version that a hook has reported. */
  members: Readonly<Record<string, number>>;
  /** Remote application -> databag version that a hook has reported. */
  apps: Readonly<Record<string, number>>;
  /** A unit whose -joined has run and whose -changed has not. */
  changedPending: string | undefined;
}

export interface UnitLocal {
  unit: string;
  installed: boolean;
  started: boolean;
  stopped: boolean;
  removed: boolean;
  leaderAccepted: boolean;
  seenBoot: number;
  /** What is unpacked in the charm directory. */
  charm: CharmVersion | undefined;
  hashes: { [K in keyof ConfigHashes]: string | undefined };
  /** Milliseconds since the epoch; of start, until the first update-status. */
  lastUpdateStatus: number;
  operation: OperationState | undefined;
  relations: ReadonlyMap<number, LocalRelation>;
}

export interface RemoteRelation {
  id: number;
  endpoint: string;
  peer: boolean;
  life: Life;
  suspended: boolean;
  remoteApp: string;
  /** Units within the scope, databag version each; never the unit itself. */
  members: Readonly<Record<string, number>>;
  /** Applications whose databag the unit is told about, version each. */
  apps: Readonly<Record<string, number>>;
}

export interface SecretDue {
  id: string;
  label: string | undefined;
  revision: number;
}

export interface SecretEvents {
  /** Owned revisions that expired. */
  expired: readonly SecretDue[];
  /** Owned secrets to rotate; the revision is the latest. */
  rotate: readonly SecretDue[];
  /** Consumed secrets with a revision that the unit was not told about. */
  changed: readonly SecretDue[];
  /** Owned revisions that nobody tracks any more. */
  obsolete: readonly SecretDue[];
  /** When the next expiry or rotation is due, milliseconds since the epoch. */
  nextAt: number | undefined;
}

export interface StorageView {
  id: string;
  /** A dying instance is to be detached from its unit. */
  life: Life;
  /** storage-attached has run. */
  attached: boolean;
}

export interface UnitRemote {
  life: Life;
  applicationLife: Life;
  boot: number;
  charm: CharmVersion;
  hashes: ConfigHashes;
  /** This unit holds its application's lease. */
  leader: boolean;
  relations: readonly RemoteRelation[];
  secrets: SecretEvents;
  /** Pending tasks, oldest first. */
  tasks: readonly number[];
  storage: readonly StorageView[];
  /** Commands of juju-exec that wait. */
  commands: number;
  updateStatusIntervalMs: number;
  automaticallyRetryHooks: boolean;
}

/** What this charm decides by and what it can do; plain values and names, no behaviour. */
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import type { CosAgentReading } from '../../../lib/relations/cos-agent-reader.ts';

export const SERVICE = 'prometheus';
export const PORT = 9090;
export const PROGRAM = '/usr/bin/prometheus';

export interface World {
  readonly model: string;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly config: Config;
  /** Undefined while the storage is not attached. */
  readonly places: Places | undefined;
  readonly missingPackages: readonly string[];
  /** Whom Prometheus runs as; undefined: as the user that runs the charm. */
  readonly user: string | undefined;
  readonly sources: readonly Source[];
  readonly files: Files;
  /** The directory for samples is there and belongs to whom Prometheus runs as. */
  readonly dataReady: boolean;
  readonly service:
    | { readonly spec: ServiceSpec | undefined; readonly wantedUp: boolean }
    | undefined;
  /** `starting`: told to run moments ago. */
  readonly health: 'up' | 'starting' | 'down';
  readonly supervised: boolean;
  readonly portOpen: boolean;
  readonly ending: 'none' | 'stop' | 'remove';
  /** As Prometheus says now, or why it does not. */
  readonly targets: readonly Target[] | { readonly unknown: string };
}

export interface Config {
  readonly scrapeInterval: unknown;
  readonly retentionDays: unknown;
  readonly retentionSize: unknown;
}

/** Absolute paths. */
export interface Places {
  /** Parent of everything but the samples. */
  readonly root: string;
  readonly config: string;
  /** One file for each relation that offers rules. */
  readonly rules: string;
  /** Rule files that promtool refused: the same names, with the reason. */
  readonly refused: string;
  /** Digest of what the running Prometheus was last told to read. */
  readonly loaded: string;
  readonly data: string;
}

/** One unit of a related application. */
export interface Source {
  readonly relationId: number;
  readonly app: string;
  readonly unit: string;
  readonly reading: CosAgentReading | undefined;
}

/** Texts as they are on disk. */
export interface Files {
  readonly config: string | undefined;
  readonly rules: Readonly<Record<string, string>>;
  readonly refused: Readonly<Record<string, Refusal>>;
  readonly loaded: string | undefined;
}

export interface Refusal {
  /** Of the text that was refused. */
  readonly digest: string;
  readonly reason: string;
}

export interface Target {
  readonly job: string;
  readonly unit: string;
  readonly url: string;
  readonly health: string;
  readonly error: string;
}

export interface Steps {
  'install-packages': { packages: string[] };
  'prepare-places': Record<string, never>;
  /** Checked by promtool; refused rules leave what was there and a note. */
  'write-rules': { name: string; text: string; digest: string };
  'remove-rules': { name: string };
  'write-config': { text: string };
  'define-service': { spec: ServiceSpec };
  'start-supervisor': Record<string, never>;
  'start-service': Record<string, never>;
  reload: Record<string, never>;
  'open-port': { port: number };
  'stop-service': Record<string, never>;
  'remove-workload': Record<string, never>;
}

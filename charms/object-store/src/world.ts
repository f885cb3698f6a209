/** What one event of this charm decides by, and the steps it can take. Values only. */
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import type { Secret } from '../../../lib/std/secret.ts';

export interface World {
  readonly unit: string;
  readonly isLeader: boolean;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly config: { readonly bucket: string; readonly port: number };
  readonly places: Places | undefined;
  readonly missingPackages: readonly string[];
  /** Whom the server runs as; undefined: as the user that runs the charm. */
  readonly user: { readonly name: string; readonly exists: boolean } | undefined;
  /** Content of the application's secret; undefined until the leader has made it. */
  readonly secret:
    | { readonly id: string; readonly content: Readonly<Record<string, string>> }
    | undefined;
  readonly relations: readonly Relation[];
  /** What the server's configuration says now. */
  readonly server: ServerFacts | undefined;
  readonly program: { readonly wanted: string; readonly installed: boolean; readonly node: string };
  readonly service:
    | {
        readonly spec: ServiceSpec | undefined;
        readonly wantedUp: boolean;
        readonly running: boolean;
      }
    | undefined;
  readonly supervised: boolean;
  readonly portOpen: boolean;
  /** Why the server could not start the last time it tried. */
  readonly failure: string | undefined;
  /** Who answers on the address and port: this store, another program, or nobody. */
  readonly answers: 'store' | 'other' | 'nobody';
  readonly ending: 'none' | 'stop' | 'remove';
}

/** Absolute paths. */
export interface Places {
  readonly root: string;
  readonly configFile: string;
  readonly objects: string;
  readonly program: string;
}

export interface Relation {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  readonly local: Readonly<Record<string, string>>;
}

export interface ServerFacts {
  readonly address: string;
  readonly port: number;
  readonly directory: string;
  /** Secret by access key. */
  readonly keys: Readonly<Record<string, string>>;
  /** The certificate is of this store's CA, for its address, and good for long enough. */
  readonly certified: boolean;
}

export interface Steps {
  'install-packages': { packages: string[] };
  'create-user': { name: string };
  'create-secret': Record<string, never>;
  'create-key': { relationId: number };
  'remove-key': { relationId: number };
  'prepare-places': Record<string, never>;
  'install-program': { revision: string };
  'write-server': { address: string; port: number; keys: Secret; digest: string };
  'define-service': { spec: ServiceSpec };
  'start-supervisor': Record<string, never>;
  'start-service': Record<string, never>;
  'stop-service': Record<string, never>;
  'remove-workload': Record<string, never>;
  publish: { relationId: number; data: Secret; digest: string };
  'open-port': { port: number };
}

export const SERVICE = 'store';
/** Fields of the application's secret; beside them `key-<relation>` and `access-<relation>`. */
export const CA_FIELD = 'ca-certificate';
export const CA_KEY_FIELD = 'ca-key';

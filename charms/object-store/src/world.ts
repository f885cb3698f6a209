/** What one event of this charm decides by, and the steps it can take. Values only. */
import type { Ending, WorkloadFacts, WorkloadSteps } from '../../../lib/charm/workload.ts';
import type { Secret } from '../../../lib/std/secret.ts';

export interface World extends WorkloadFacts {
  readonly unit: string;
  readonly isLeader: boolean;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly config: { readonly bucket: string; readonly port: number };
  readonly places: Places | undefined;
  readonly missingPackages: readonly string[];
  /** Whom the server runs as; undefined: as the user that runs the charm. */
  readonly user: { readonly name: string; readonly exists: boolean } | undefined;
  /**
   * The application's: its authority, and `key-<relation>` and `access-<relation>` beside it.
   * Undefined until the leader has made it.
   */
  readonly secret:
    | { readonly id: string; readonly content: Readonly<Record<string, string>> }
    | undefined;
  readonly relations: readonly Relation[];
  /** What the server's configuration says now. */
  readonly server: ServerFacts | undefined;
  readonly program: { readonly wanted: string; readonly installed: boolean; readonly node: string };
  /** Why the server could not start the last time it tried. */
  readonly failure: string | undefined;
  /** Who answers on the address and port: this store, another program, or nobody. */
  readonly answers: 'store' | 'other' | 'nobody';
  readonly ending: Ending;
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

export interface Steps extends WorkloadSteps {
  'create-user': { name: string };
  'create-secret': Record<string, never>;
  'create-key': { relationId: number };
  'remove-key': { relationId: number };
  'prepare-places': Record<string, never>;
  'install-program': { revision: string };
  'write-server': { address: string; port: number; keys: Secret; digest: string };
  publish: { relationId: number; data: Secret; digest: string };
}

export const SERVICE = 'store';

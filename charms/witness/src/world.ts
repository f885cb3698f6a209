/** What one event of this charm decides by, and the steps it can take. Values only. */
import type { Ending, WorkloadFacts, WorkloadSteps } from '../../../lib/charm/workload.ts';
import type { WatcherOffer } from '../../../lib/relations/postgresql-watcher.ts';
import type { Secret } from '../../../lib/std/secret.ts';

export interface World extends WorkloadFacts {
  readonly model: { readonly name: string; readonly uuid: string };
  readonly app: string;
  readonly unit: string;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly zone: string | undefined;
  /** Addresses that its connections come from. */
  readonly sources: readonly string[];
  readonly missingPackages: readonly string[];
  /** Whom etcd runs as; undefined: as the user that runs the charm. */
  readonly user: string | undefined;
  readonly places: Places;
  readonly relation: Relation | undefined;
  /** Of monitoring: what this unit has told it. */
  readonly metrics: { readonly id: number; readonly local: Readonly<Record<string, string>> }[];
  /** The request that it has made, and the names in it; the key lies beside it. */
  readonly request: { readonly csr: string; readonly names: readonly string[] } | undefined;
  /** What the cluster has answered to exactly this request. */
  readonly answer: Answer | undefined;
  /** What lies in force; undefined: not all of it, or it does not belong together. */
  readonly held: Answer | undefined;
  /** CA that the running etcd has read; undefined: the present one, or there is none. */
  readonly loadedAuthority: string | undefined;
  /** Text of etcd's configuration. */
  readonly config: string | undefined;
  readonly hasData: boolean;
  /** Its etcd is part of a majority; asked only of one that is to end. */
  readonly counts: boolean;
  readonly ending: Ending;
}

/** Absolute paths. */
export interface Places {
  readonly config: string;
  readonly data: string;
  /** Of the request that is open: its key, and what it says. */
  readonly requestKey: string;
  readonly request: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

export interface Relation {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  readonly local: Readonly<Record<string, string>>;
  readonly offer: WatcherOffer | undefined;
}

/** Both PEM. */
export interface Answer {
  readonly authority: string;
  readonly certificate: string;
}

export interface Steps extends WorkloadSteps {
  /** A new key and a request for it; what is in force stays. */
  'make-request': { names: string[] };
  /** The answer with the key of the request is in force afterwards. */
  'write-certificate': { answer: Answer };
  'write-config': { config: Secret; digest: string };
  /** etcd goes on, and is not started again when the cluster has taken its voter out. */
  'let-end': Record<string, never>;
  /** Reads whom to trust. */
  'restart-etcd': Record<string, never>;
  /** Waits until the cluster has taken its voter out, or has had time to. */
  'await-removal': Record<string, never>;
  'remove-data': Record<string, never>;
  'remove-certificate': Record<string, never>;
  tell: {
    endpoint: string;
    relationId: number;
    data: Record<string, string | undefined>;
  };
}

export const SERVICE = 'etcd';

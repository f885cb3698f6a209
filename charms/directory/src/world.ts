/** What one event of this charm decides by, and the steps it can take. Values only. */
import type { Ending, WorkloadFacts, WorkloadSteps } from '../../../lib/charm/workload.ts';
import type { Databag, DatabagChange } from '../../../lib/relations/databag.ts';
import type { Secret } from '../../../lib/std/secret.ts';

export type Transport = 'ldaps' | 'starttls';

export interface World extends WorkloadFacts {
  readonly isLeader: boolean;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly config: { readonly baseDn: string; readonly port: number; readonly transport: string };
  readonly places: Places | undefined;
  readonly missingPackages: readonly string[];
  /** Whom slapd runs as; undefined: as the user that runs the charm. */
  readonly user: string | undefined;
  /** Whom slapd lets do everything over its own socket: who runs the charm. */
  readonly root: { readonly uid: number; readonly gid: number };
  /** The application's own authority; undefined until the leader has made it. */
  readonly authority: { readonly certificate: string } | undefined;
  readonly relations: readonly Relation[];
  /** Relations of `send-ca-cert`. */
  readonly trusting: readonly TrustingRelation[];
  /** Name that the data were made for; undefined: there are none. */
  readonly seededFor: string | undefined;
  /** Text of slapd's configuration; undefined: there is none. */
  readonly written: string | undefined;
  /** The certificate is of this authority, for the address, and good for long enough. */
  readonly certified: boolean;
  /** What slapd holds; undefined while it does not answer. */
  readonly held: Held | undefined;
  /** The last line of slapd's log, when it does not run although it should. */
  readonly failure: string | undefined;
  readonly ending: Ending;
}

/** Absolute paths. */
export interface Places {
  readonly root: string;
  readonly config: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** slapd's own socket. */
  readonly socket: string;
  readonly database: string;
}

export interface Relation {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  readonly local: Databag;
  /** The login that was made for it; undefined: none. */
  readonly login: { readonly id: string; readonly password: string } | undefined;
}

export interface TrustingRelation {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  readonly localApp: Databag;
  readonly localUnit: Databag;
}

/** The parts of the directory that this charm makes. Hashes are of passwords, as slapd has them. */
export interface Held {
  readonly logins: Readonly<Record<number, string>>;
  readonly users: readonly { readonly name: string; readonly fullName: string }[];
  /** Members as add-group takes them: users by name, groups with an @ before it. */
  readonly groups: readonly { readonly name: string; readonly members: readonly string[] }[];
}

export interface Steps extends WorkloadSteps {
  'create-authority': Record<string, never>;
  'make-database': { baseDn: string };
  'issue-certificate': { address: string };
  'write-config': { text: string };
  /** A login that may search, and the secret with its password, granted to the relation. */
  'make-login': { relationId: number; baseDn: string };
  'remove-login': { relationId: number; baseDn: string };
  /** Says where the directory is; the secret's URI is added. */
  publish: { relationId: number; data: DatabagChange };
  'tell-authority': { relationId: number; scope: 'app' | 'unit'; data: DatabagChange };
  /** Answers with a new password. */
  'set-user': { dn: string; name: string; fullName: string; exists: boolean };
  /** LDIF that changes entries; holds no secret. */
  modify: { changes: LdifChange[] };
}

/** One change of an entry, RFC 2849. */
export type LdifChange =
  | { readonly dn: string; readonly add: LdifValues }
  | { readonly dn: string; readonly change: LdifModification[] }
  | { readonly dn: string; readonly delete: true };

export interface LdifModification {
  readonly how: 'add' | 'delete' | 'replace';
  readonly attribute: string;
  readonly values: readonly (string | Secret)[];
}

export type LdifValues = Readonly<Record<string, readonly (string | Secret)[]>>;

export const SERVICE = 'slapd';

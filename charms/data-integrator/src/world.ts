/** What this charm decides by, and what it does. */
import type { Databag, DatabagChange } from '../../../lib/relations/databag.ts';
import type { Protocol } from '../../../lib/relations/postgresql-client-request.ts';

export interface World {
  readonly isLeader: boolean;
  readonly options: Options;
  readonly relations: readonly Relation[];
}

/** As the operator wrote them; empty texts for what is not set. */
export interface Options {
  readonly databaseName: string;
  readonly extraUserRoles: string;
  readonly entityType: string;
  readonly extraGroupRoles: string;
  readonly entityName: string;
  /** PEM. */
  readonly certificate: string;
  readonly external: boolean;
  readonly protocol: Protocol | undefined;
}

export interface Relation {
  readonly id: number;
  readonly app: string;
  /** This event is the relation's end. */
  readonly ending: boolean;
  /** Empty on a unit that is not the leader. */
  readonly localApp: Databag;
  readonly remoteApp: Databag;
  /** Contents of the secrets that the provider named; undefined while they cannot be read. */
  readonly user: Databag | undefined;
  readonly tls: Databag | undefined;
  readonly entity: Databag | undefined;
  /** The secret by which this charm names the user that it wants; the leader's to see. */
  readonly named: { readonly uri: string; readonly name: string } | undefined;
  /** The secret with the certificate that this application offers; the leader's to see. */
  readonly offered: { readonly uri: string; readonly pem: string } | undefined;
}

export interface Steps {
  'ask-for-database': { relationId: number; data: DatabagChange };
  /** Makes the secret with the name that the user is to have, and lets the database read it. */
  'name-user': { relationId: number; name: string };
  'forget-name': { uri: string };
  /** Makes the secret with the certificate, or changes what is in the one at `uri`. */
  'offer-certificate': { relationId: number; uri: string | undefined; pem: string };
  'withdraw-certificate': { uri: string };
}

/** Label of the secret with the certificate. */
export function certificateLabel(relationId: number): string {
  return `${relationId}-mtls-cert`;
}

/** Label of the secret that names the user. */
export function nameLabel(relationId: number): string {
  return `${relationId}-requested-entity`;
}

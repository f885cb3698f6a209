/** What this charm decides by, and the one thing it does. */
import type { Databag, DatabagChange } from '../../../lib/relations/databag.ts';

export interface World {
  readonly isLeader: boolean;
  /** Undefined while the operator has not said. */
  readonly databaseName: string | undefined;
  readonly extraUserRoles: string;
  readonly relations: readonly Relation[];
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
}

export interface Steps {
  'ask-for-database': { relationId: number; data: DatabagChange };
}

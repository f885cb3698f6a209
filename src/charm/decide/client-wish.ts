/** What the role of a client is to be, from what it asks for and what there is. Pure. */
import {
  assumedRoles,
  DATABASES_OWNER,
  membershipsOf,
  type RoleWish,
  readyDatabases,
  rolesOf,
} from '../model/client-roles.ts';
import type { Client } from '../model/clients.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { DatabaseView } from '../model/world.ts';
import { validOptions } from './options.ts';

export interface Surroundings {
  view: DatabaseView;
  /** Databases that have been set up. */
  ready: ReadonlySet<string>;
  /** Most connections of each login, -1: any number; undefined: what is in force stays. */
  limit: number | undefined;
}

export function surroundingsOf(world: Snapshot, view: DatabaseView): Surroundings {
  const options = validOptions(world);
  const limit = options === undefined ? undefined : (options.clientConnectionLimit ?? -1);
  return { view, ready: new Set(readyDatabases(view)), limit };
}

/** @param databases what it asked for; those that are not ready will be before its role is made */
export function wishOf(
  { request, mark }: Client,
  name: string,
  databases: readonly string[],
  { view, ready, limit }: Surroundings,
): RoleWish {
  const actual = view.roles.find((role) => role.name === name);
  const superuser = request.roles.includes('superuser');
  const login = request.entity !== 'GROUP';
  const asked = membershipsOf(databases, request.roles, request.permissions !== undefined);
  const made = asked.includes(DATABASES_OWNER) ? madeItself(actual?.memberOf ?? [], view) : [];
  const memberOf = [...new Set([...asked, ...made])].sort();
  const known = [...new Set([...ready, ...databases])].sort();
  return {
    name,
    mark,
    login,
    superuser,
    memberOf,
    connectionLimit: limit ?? actual?.connectionLimit ?? -1,
    // A superuser has nothing to gain, and a group no sessions.
    assumes: login && !superuser ? assumedRoles(memberOf, known) : {},
  };
}

/** Who may make databases administers those that it has made. */
function madeItself(memberOf: readonly string[], view: DatabaseView): string[] {
  const own = (view.clientDatabases ?? []).flatMap((database) => {
    const { admin, dml } = rolesOf(database);
    return [admin, dml];
  });
  return memberOf.filter((group) => own.includes(group));
}

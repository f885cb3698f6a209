/**
 * The roles of the instance, databases that clients have made themselves, and the roles that other
 * logins assume: users made by SQL, or by a directory, that are members of the charm's roles.
 *
 * Only the leader acts, on the primary. The roles of clients themselves are in clients.ts.
 */
import { nameProblem } from '../../../lib/relations/postgresql-client-names.ts';
import {
  assumedRoles,
  CLIENT_GROUP,
  ROLES_MARK,
  ROLES_REVISION,
  readyDatabases,
  sameSettings,
} from '../model/client-roles.ts';
import { primaryOf, probe } from '../model/snapshot.ts';
import { type Decider, type Decision, step } from '../model/steps.ts';
import type { DatabaseView } from '../model/world.ts';

export const roles: Decider = (world) => {
  const database = probe(world, 'database');
  if (!world.unit.isLeader || world.unit.dying) return [];
  if (!database.known || primaryOf(world) === undefined) return [];
  const view = database.value;
  const mark = view.roles.find(({ name }) => name === ROLES_MARK)?.comment;
  const instance =
    mark === ROLES_REVISION
      ? []
      : [step('ensure-instance-roles', {}, 'roles that clients may ask for are not there yet')];
  const ready = readyDatabases(view);
  return [...instance, ...madeByClients(view, new Set(ready)), ...otherLogins(view, ready)];
};

/** What a client has made is closed to others like what it has asked for. */
function madeByClients(view: DatabaseView, ready: ReadonlySet<string>): Decision[] {
  return (view.clientDatabases ?? [])
    .filter((name) => !ready.has(name) && nameProblem(name) === undefined)
    .map((database) => step('ensure-database', { database }, 'its roles are not there yet'));
}

function otherLogins(view: DatabaseView, ready: readonly string[]): Decision[] {
  return view.roles
    .filter(({ login, superuser, memberOf }) => login && !superuser && !isClients(memberOf))
    .flatMap(({ name, memberOf, assumes }) => {
      const wanted = assumedRoles(memberOf, ready);
      if (sameSettings(assumes ?? {}, wanted)) return [];
      const why = 'its memberships say which role it acts as';
      return [step('assume-roles', { role: name, assumes: wanted }, why)];
    });
}

function isClients(memberOf: readonly string[]): boolean {
  return memberOf.includes(CLIENT_GROUP);
}

/**
 * What a client that has asked for `entity-permissions` is still to be granted, and what is to be
 * taken back. Pure; only what the charm has granted itself, by its own record, is ever taken back.
 *
 * Objects that do not exist yet are waited for: the client that makes them may come later.
 */
import { grantedObject } from '../../../lib/relations/postgresql-client-permissions.ts';
import { type Client, type ClientFact, clientFacts } from '../model/clients.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Decision, step, waiting } from '../model/steps.ts';

export interface PermissionDecisions {
  /** What must be done before the client can use what it has asked for. */
  steps: Decision[];
  /** What it waits for itself. */
  findings: Decision[];
}

/** @param role the client's */
export function permissions(client: Client, role: string, world: Snapshot): PermissionDecisions {
  const { relation, request, mark } = client;
  const state = world.permissions?.[mark];
  const { resource } = request;
  if (state === undefined || !('database' in resource)) return { steps: [], findings: [] };
  const { app } = relation;
  if (!state.known) {
    const why = `${app} waits: its permissions cannot be read: ${state.reason}`;
    return { steps: [], findings: [waiting('client-permissions-unknown', why)] };
  }
  const { held, absent, recorded } = state.value;
  const wanted = request.permissions ?? [];
  const grant = wanted.filter((each) => !held.includes(each) && !absent.includes(each));
  const revoke = recorded.filter((each) => !wanted.includes(each));
  const kept = recorded.filter((each) => wanted.includes(each));
  const record = [...new Set([...kept, ...grant])].sort();
  const args = { role, database: resource.database, grant, revoke, record };
  const why = `${app} asks for other permissions`;
  const [missing] = absent.map(grantedObject);
  return {
    steps: grant.length + revoke.length > 0 ? [step('set-permissions', args, why)] : [],
    findings:
      missing === undefined
        ? []
        : [
            waiting(
              'client-objects-missing',
              `${app} waits: ${resource.database} has no ${missing}`,
            ),
          ],
  };
}

/** Of whom the rights have to be looked at, also when nothing is asked for any more. */
export function permissionsFact({ request, mark }: Client, world: Snapshot): ClientFact {
  const state = world.permissions?.[mark];
  const granted = state?.known
    ? state.value.recorded.length > 0
    : clientFacts(world)[mark]?.permissions === true;
  return request.permissions !== undefined || granted ? { permissions: true } : {};
}

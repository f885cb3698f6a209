/**
 * What clients that ask for `entity-permissions` may do already: one look into each of their
 * databases, by the leader only, and by nobody while no client asks for any.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import { type Client, clientFacts, clientsOf, roleNameOf } from '../model/clients.ts';
import type { PermissionState } from '../model/permissions.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { known, type Observed, unknown } from '../model/world.ts';
import { readPermissions } from '../workload/permissions.ts';
import { primarySql } from '../workload/primary.ts';

export async function observePermissions(world: Snapshot): Promise<Pick<Snapshot, 'permissions'>> {
  const view = probe(world, 'database');
  if (!world.unit.isLeader || !view.known) return {};
  const facts = clientFacts(world);
  const { databases, roles } = view.value;
  const asking = clientsOf(world).flatMap((client) => {
    const { request, mark } = client;
    if (request.permissions === undefined && facts[mark]?.permissions !== true) return [];
    const role = roleNameOf(client, facts);
    const database = 'database' in request.resource ? request.resource.database : '';
    // What is still to be made has nothing.
    const made = databases.includes(database) && roles.some(({ name }) => name === role);
    return role === undefined || !made ? [] : [{ client, role, database }];
  });
  if (asking.length === 0) return {};
  const read = asking.map(async ({ client, ...place }) => {
    return [client.mark, await look(client, place, world)] as const;
  });
  return { permissions: Object.fromEntries(await Promise.all(read)) };
}

async function look(
  { request }: Client,
  place: { role: string; database: string },
  world: Snapshot,
): Promise<Observed<PermissionState>> {
  try {
    const sql = await primarySql(world)(place.database);
    try {
      return known(await readPermissions(sql, place, request.permissions ?? []));
    } finally {
      await sql.close();
    }
  } catch (error) {
    return unknown(messageOf(error));
  }
}

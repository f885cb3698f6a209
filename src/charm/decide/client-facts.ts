/**
 * What clients are told of the cluster, and which units would let them in. The order of hosts is
 * stable between changes.
 */
import type { ProviderFacts } from '../../../lib/relations/postgresql-client.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { PORTS } from '../model/patroni-config.ts';
import { probe, type Snapshot, unitOfMember } from '../model/snapshot.ts';

/** What is the same for every client. */
export type Endpoints = Pick<ProviderFacts, 'endpoints' | 'readOnlyEndpoints' | 'version'>;

/**
 * @param primary name of the member that is primary
 * @param port of who writes: the pooler's, or PostgreSQL's own
 */
export function endpointsOf(
  world: Snapshot,
  primary: string,
  version: string,
  port: number = PORTS.pooler,
): Endpoints {
  const addresses = clientAddresses(world);
  const primaryUnit = unitOfMember(primary);
  const ranked = addresses.toSorted(
    (a, b) => Number(b.unit === primaryUnit) - Number(a.unit === primaryUnit),
  );
  const replicas = new Set(readingUnits(world).filter((unit) => unit !== primaryUnit));
  const readers = addresses.filter(({ unit }) => replicas.has(unit));
  const list = (units: typeof addresses, port: number) =>
    units.map(({ address }) => hostPort(address, port)).join(',');
  return {
    endpoints: list(ranked, port),
    readOnlyEndpoints: list(readers.length > 0 ? readers : ranked.slice(0, 1), PORTS.postgres),
    // `16.4 (Ubuntu 16.4-1)`: clients compare the number.
    version: version.split(' ')[0] ?? version,
  };
}

/**
 * Units that can be reached and would still refuse the role: their pooler does not know it, or
 * their PostgreSQL's access rules do not. A unit or a pooler that does not answer never holds up a
 * client; but when none answers at all, none would let it in.
 *
 * @param ruled whether there are access rules with its name
 */
export function unawareUnits(role: string, ruled: boolean, world: Snapshot): string[] {
  if (!world.agent.known) return [world.unit.name];
  const { pooler, local, peers } = world.agent.value;
  const serving = new Set(servingUnits(world));
  const lets = (users: readonly string[] | undefined) => !ruled || (users?.includes(role) ?? true);
  const own = pooler.known
    ? [
        {
          unit: world.unit.name,
          aware:
            pooler.value.users.includes(role) &&
            lets(local.known ? local.value.hbaUsers : undefined),
        },
      ]
    : [];
  const others = Object.entries(peers).flatMap(([unit, peer]) => {
    if (!peer.known || peer.value.poolerUsers === undefined) return [];
    const { poolerUsers, hbaUsers } = peer.value;
    // A member that is still being cloned has no access rules in force yet.
    const admitted = !serving.has(unit) || lets(hbaUsers);
    return [{ unit, aware: admitted && poolerUsers.includes(role) }];
  });
  const reached = [...own, ...others];
  if (reached.length === 0) return [world.unit.name];
  return reached.filter(({ aware }) => !aware).map(({ unit }) => unit);
}

/** Units whose PostgreSQL takes connections: the primary and the replicas that stream. */
function servingUnits(world: Snapshot): string[] {
  const cluster = probe(world, 'cluster');
  if (!cluster.known) return [];
  const serving = cluster.value.members.filter((it) => it.role === 'primary' || it.streaming);
  return serving.map((member) => unitOfMember(member.name));
}

/**
 * Units whose replicas lag by no more than `readonly-maximum-lag` and are not kept from reading.
 * Until the agent says which, all that stream.
 */
function readingUnits(world: Snapshot): string[] {
  const [cluster, pooler] = [probe(world, 'cluster'), probe(world, 'pooler')];
  if (!cluster.known) return [];
  const fit = pooler.known ? pooler.value.readers : undefined;
  const reading = cluster.value.members.filter(
    ({ streaming, tags, address }) =>
      streaming && tags['noloadbalance'] !== true && (fit?.includes(address) ?? true),
  );
  return reading.map((member) => unitOfMember(member.name));
}

/** Where clients reach each unit that stays, ascending by number. */
function clientAddresses(world: Snapshot): { unit: string; address: string }[] {
  const own = { unit: world.unit.name, address: world.unit.clientAddress, dying: world.unit.dying };
  const others = world.peers.others.map(({ name, data, dying }) => ({
    unit: name,
    address: data['database-address'],
    dying,
  }));
  return [own, ...others]
    .filter(({ dying }) => !dying)
    .flatMap(({ unit, address }) => (address ? [{ unit, address }] : []))
    .toSorted((a, b) => numberOf(a.unit) - numberOf(b.unit));
}

function numberOf(unit: string): number {
  return Number(unit.slice(unit.lastIndexOf('/') + 1));
}

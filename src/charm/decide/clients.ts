/**
 * Serves the `postgresql_client` interface: every related application gets a database, a login
 * role, a secret with its password, and the endpoints to reach them.
 *
 * Pure and convergent: returns only what the snapshot still lacks, so a hook that dies half way is
 * finished by the next one, whatever event that happens to be. Never touches a database: what was
 * stored stays when its client goes.
 */
import { changedKeys } from '../../../lib/relations/databag.ts';
import {
  type ClientRequest,
  type ParsedRequest,
  type ProviderFacts,
  parseRequest,
  providerData,
  secretUri,
  tlsSecret,
  tlsSecretLabel,
  userSecret,
  userSecretLabel,
} from '../../../lib/relations/postgresql-client.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { clientAuthorities } from '../model/certificates.ts';
import { primaryOf, probe, type Relation, type Snapshot, unitOfMember } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step, waiting } from '../model/steps.ts';
import type { DatabaseView } from '../model/world.ts';

const ENDPOINT = 'database';
const POOLER_PORT = 6432;
const POSTGRES_PORT = 5432;

export const clients: Decider = (world) => {
  // Only the leader may write application data; for a unit that leaves, relations end that live on.
  if (!world.unit.isLeader || world.unit.dying) return [];
  return [...clientsOf(world).flatMap((relation) => serve(relation, world)), ...leftovers(world)];
};

/** The relations with clients, ascending by number. */
export function clientsOf(world: Snapshot): Relation[] {
  const related = world.relations.filter((relation) => relation.endpoint === ENDPOINT);
  return related.toSorted((a, b) => a.id - b.id);
}

/** Name of the login role of a client. */
export function clientRole(relationId: number): string {
  return `relation-${relationId}`;
}

/** What a client asks for, or why it cannot be served; undefined when it has not asked. */
export function requestOf(relation: Relation): ParsedRequest | undefined {
  const parsed = parseRequest(relation.remoteApp);
  if (!parsed?.ok) return parsed;
  const { extraUserRoles } = parsed.request;
  if (extraUserRoles.length > 0) {
    const asked = JSON.stringify(extraUserRoles.join(',').slice(0, 80));
    const reason = `asks for extra-user-roles ${asked}; it owns its database, leave them out`;
    return { ok: false, reason };
  }
  return parsed;
}

function serve(relation: Relation, world: Snapshot): Decision[] {
  if (relation.ending) return withdraw(relation, world);
  const parsed = requestOf(relation);
  if (parsed === undefined) return []; // Related, but has not asked for anything yet.
  if (!parsed.ok) return [blocked('client-request-invalid', `${relation.app} ${parsed.reason}`)];

  const served = relation.localApp['database'];
  if (served !== undefined && served !== parsed.request.database) {
    const reason = `was given database ${served} and asks for another; integrate it anew`;
    return [blocked('client-request-invalid', `${relation.app} ${reason}`)];
  }
  const database = probe(world, 'database');
  const primary = primaryOf(world);
  if (!database.known || primary === undefined) {
    return [waiting('no-primary', `${relation.app} waits: no primary can be reached`)];
  }
  const facts = factsOf(world, parsed.request.database, {
    primary: primary.member,
    version: database.value.serverVersion,
  });
  const client = { relation, request: parsed.request, facts };
  return [...login(client, world, database.value), ...answer(client, world)];
}

interface Client {
  relation: Relation;
  request: ClientRequest;
  facts: ProviderFacts;
}

/** Database, role and secrets: everything that must exist before the client may hear of it. */
function login(client: Client, world: Snapshot, database: DatabaseView): Decision[] {
  const { relation, request, facts } = client;
  const role = clientRole(relation.id);
  const why = `${relation.app} asked for database ${request.database}`;
  const args = { relationId: relation.id, role, facts, wants: request.wants };
  const secret = world.relationSecrets[userSecretLabel(relation.id)];
  const ready = hasLogin(database, role, request.database);
  const missing: Decision[] = [];
  // The role is made last, so a role that is ready says that its database is.
  if (!ready || !database.databases.includes(request.database)) {
    missing.push(step('ensure-database', { database: request.database }, why));
  }
  const password = secret?.content['password'];
  if (!ready || secret === undefined || password === undefined) {
    // A role whose secret was never kept is the trace of a hook whose commit failed. Issuing again
    // resets its password, so a half-made credential is of no use to anybody.
    missing.push(step('issue-credentials', args, why));
  } else {
    const wanted = userSecret({ username: role, password }, facts, request.wants);
    if (Object.keys(changedKeys(wanted, secret.content)).length > 0) {
      missing.push(step('update-credentials', args, `the endpoints of ${facts.database} changed`));
    }
  }
  const tls = world.relationSecrets[tlsSecretLabel(relation.id)];
  const wantedTls = tlsSecret(clientAuthorities(world)?.join('\n'));
  const tlsChanged = Object.keys(changedKeys(wantedTls, tls?.content ?? {})).length > 0;
  if (request.wants.tls && (tls === undefined || tlsChanged)) {
    missing.push(step('issue-tls-secret', { relationId: relation.id }, why));
  }
  return missing;
}

/** A role that may log in and stands for the owner of its database. */
function hasLogin(database: DatabaseView, role: string, name: string): boolean {
  const found = database.roles.find((candidate) => candidate.name === role);
  return found?.login === true && found.memberOf.includes(`charmed_${name}_admin`);
}

/** What the client is told, once every pooler that can be reached would let it in. */
function answer({ relation, request, facts }: Client, world: Snapshot): Decision[] {
  const said = relation.localApp;
  const published = said['secret-user'] !== undefined;
  const unaware = published ? [] : unawareUnits(clientRole(relation.id), world);
  if (unaware.length > 0) {
    const units = unaware.join(', ');
    return [waiting('client-not-routed', `${relation.app} waits for the pooler of ${units}`)];
  }
  const why = `${relation.app} is told how to reach database ${facts.database}`;
  const publish = (key: 'secret-user' | 'secret-tls', label: string): Decision[] => {
    const id = world.relationSecrets[label]?.id;
    if (id === undefined || said[key] === secretUri(id)) return [];
    return [step('publish-secret', { relationId: relation.id, key, label }, why)];
  };
  const data = changedKeys(providerData(facts, relation.remoteApp), said);
  const bag = { endpoint: ENDPOINT, relationId: relation.id, scope: 'app', data } as const;
  return [
    ...(Object.keys(data).length > 0 ? [step('relation-set', bag, why)] : []),
    ...(request.wants.tls ? publish('secret-tls', tlsSecretLabel(relation.id)) : []),
    ...publish('secret-user', userSecretLabel(relation.id)),
  ];
}

/**
 * Units that can be reached and would still refuse the role: their pooler does not know it, or
 * their PostgreSQL's access rules do not. A unit or a pooler that does not answer never holds up a
 * client; but when none answers at all, none would let it in.
 */
function unawareUnits(role: string, world: Snapshot): string[] {
  if (!world.agent.known) return [world.unit.name];
  const { pooler, local, peers } = world.agent.value;
  const serving = new Set(servingUnits(world));
  const lets = local.known ? local.value.hbaUsers.includes(role) : true;
  const own = pooler.known
    ? [{ unit: world.unit.name, aware: lets && pooler.value.users.includes(role) }]
    : [];
  const others = Object.entries(peers).flatMap(([unit, peer]) => {
    if (!peer.known || peer.value.poolerUsers === undefined) return [];
    const { poolerUsers, hbaUsers } = peer.value;
    // A member that is still being cloned has no access rules in force yet.
    const admitted = !serving.has(unit) || (hbaUsers?.includes(role) ?? true);
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

/** A client that goes takes its role and its secrets along; what it stored stays. */
function withdraw(relation: Relation, world: Snapshot): Decision[] {
  const role = clientRole(relation.id);
  const why = `${relation.app === '' ? role : relation.app} is gone`;
  const database = probe(world, 'database');
  const exists = database.known && database.value.roles.some(({ name }) => name === role);
  const labels = [userSecretLabel(relation.id), tlsSecretLabel(relation.id)];
  return [
    ...(exists ? [step('drop-client', { role }, why)] : []),
    ...labels
      .filter((label) => world.relationSecrets[label] !== undefined)
      .map((label) => step('remove-secret', { label }, why)),
  ];
}

/** Roles of relations that ended while no leader could reach the primary. */
function leftovers(world: Snapshot): Decision[] {
  const database = probe(world, 'database');
  if (!database.known) return [];
  const related = new Set(world.relations.map((relation) => clientRole(relation.id)));
  return database.value.roles
    .filter(({ name }) => /^relation-\d+$/.test(name) && !related.has(name))
    .map(({ name }) => step('drop-client', { role: name }, `the relation of ${name} has ended`));
}

/** What is true of a client's database now; the order of hosts is stable between changes. */
function factsOf(
  world: Snapshot,
  database: string,
  { primary, version }: { primary: string; version: string },
): ProviderFacts {
  const addresses = clientAddresses(world);
  const primaryUnit = unitOfMember(primary);
  const ranked = addresses.toSorted(
    (a, b) => Number(b.unit === primaryUnit) - Number(a.unit === primaryUnit),
  );
  const replicas = new Set(servingUnits(world).filter((unit) => unit !== primaryUnit));
  const readers = addresses.filter(({ unit }) => replicas.has(unit));
  const list = (units: typeof addresses, port: number) =>
    units.map(({ address }) => hostPort(address, port)).join(',');
  return {
    database,
    endpoints: list(ranked, POOLER_PORT),
    readOnlyEndpoints: list(readers.length > 0 ? readers : ranked.slice(0, 1), POSTGRES_PORT),
    // `16.4 (Ubuntu 16.4-1)`: clients compare the number.
    version: version.split(' ')[0] ?? version,
  };
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

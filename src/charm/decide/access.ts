/**
 * Who may come from where: one rule for each client, from what its relation declares. Every unit
 * computes the same rules by itself, for PostgreSQL's HBA and for the pooler's.
 *
 * Decided from relations, never from the roles that exist: a rule is there before its user is, and
 * a cluster that is down loses nobody's access. Users that were made by SQL follow what the primary
 * says of them, and keep what they had while it says nothing.
 */
import { parseJson } from '../../../lib/relations/databag.ts';
import { unitSubnets } from '../../../lib/relations/subnets.ts';
import { isTrusted, trustInForce } from '../model/client-certificates.ts';
import { CLIENT_GROUP } from '../model/client-roles.ts';
import {
  type Client,
  type ClientFact,
  clientFacts,
  clientRelations,
  clientsOf,
  roleNameOf,
} from '../model/clients.ts';
import type { AccessRule, Desired } from '../model/desired.ts';
import { ownUsersOnly } from '../model/hba.ts';
import { hbaEntryLine, isForPooler } from '../model/hba-entry.ts';
import { isOwnName } from '../model/ldap-map.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider } from '../model/steps.ts';
import { validOptions } from './options.ts';

/** For who comes from outside the model. */
const ANYWHERE = ['0.0.0.0/0', '::/0'];

/** Says when PostgreSQL does not take its access rules: until then the former ones are in force. */
export const access: Decider = (world) => {
  const local = probe(world, 'local');
  const [error] = (local.known ? local.value.hbaErrors : undefined) ?? [];
  if (error === undefined) return [];
  return [blocked('hba-invalid', `PostgreSQL keeps its former access rules: ${error}`)];
};

/** Clients that may be served, ascending by relation, then users made by SQL by their names. */
export function accessRules(world: Snapshot): AccessRule[] {
  const clients = clientRules(world);
  const taken = new Set(clients.map(({ user }) => user));
  const known = madeBySql(world).filter(({ user }) => !taken.has(user) && !isOwnName(user));
  const networks = clientNetworks(world);
  return [...clients, ...known.map((rule) => ({ ...rule, networks }))];
}

function clientRules(world: Snapshot): AccessRule[] {
  const everywhere = [...peerNetworks(world), ...openedNetworks(world)];
  const facts = clientFacts(world);
  const limit = validOptions(world)?.clientConnectionLimit;
  const trust = trustInForce(world);
  return clientsOf(world).flatMap((client) => {
    const certified = client.request.certificate !== undefined;
    // Without being asked for what it has offered it would get in by the password alone.
    if (certified && !isTrusted(client, facts, trust)) return [];
    const user = client.request.entity === 'GROUP' ? undefined : roleNameOf(client, facts);
    const databases = reachable(client, facts[client.mark]);
    if (user === undefined || databases.length === 0) return [];
    // Every unit's pooler opens connections for the client, wherever the primary is.
    const own = client.relation.units.flatMap((unit) => unitSubnets(unit.data));
    const exact = [...new Set([...own, ...everywhere])].sort();
    const networks = client.request.external ? ANYWHERE : exact;
    const limited = limit === undefined ? {} : { connectionLimit: limit };
    const asked = certified ? { certificate: true as const } : {};
    return [{ user, databases, networks, ...limited, ...asked }];
  });
}

/** Roles of the whole instance reach every database; privileges say what they may do there. */
function reachable({ request }: Client, fact: ClientFact | undefined): string[] {
  if (request.roles.length > 0) return ['all'];
  return 'database' in request.resource ? [request.resource.database] : (fact?.databases ?? []);
}

function madeBySql(world: Snapshot): AccessRule[] {
  const view = probe(world, 'database');
  if (!view.known) return writtenRules(world).filter(({ bySql }) => bySql === true);
  return view.value.roles.flatMap(({ name, login, memberOf, connect = [] }) =>
    login && connect.length > 0 && !memberOf.includes(CLIENT_GROUP)
      ? [{ bySql: true as const, user: name, databases: connect, networks: [] }]
      : [],
  );
}

/** What the last event has decided, out of the file that the agent reads. */
function writtenRules({ files, layout }: Snapshot): AccessRule[] {
  const written = parseJson(files[layout.desired] ?? '') as Partial<Desired> | undefined;
  return written?.pooler?.access ?? [];
}

/** From where the option lets everybody come; none while the options are refused as a whole. */
function openedNetworks(world: Snapshot): readonly string[] {
  return validOptions(world)?.accessNetworks ?? [];
}

/** Entries of the operator, behind a wall around the charm's own users, and before all others. */
export function operatorEntries(world: Snapshot): string[] {
  const entries = validOptions(world)?.hbaEntries ?? [];
  return entries.length === 0 ? [] : [...ownUsersOnly(), ...entries.map(hbaEntryLine)];
}

/** What of them the pooler takes, in its words. */
export function poolerEntries(world: Snapshot): string[] {
  return (validOptions(world)?.hbaEntries ?? []).filter(isForPooler).map(hbaEntryLine);
}

/** Where the connections of this application's own units come from. */
export function peerNetworks(world: Snapshot): string[] {
  const others = world.peers.others.flatMap((peer) => unitSubnets(peer.data));
  const own = unitSubnets({ 'egress-subnets': world.unit.egress.join(',') });
  return [...new Set([...own, ...others])].sort();
}

/** Where those come from who are no application: whence anybody may, and the units themselves. */
export function clientNetworks(world: Snapshot): string[] {
  const related = clientRelations(world).filter(({ ending }) => !ending);
  const networks = related.flatMap(({ units }) => units.flatMap(({ data }) => unitSubnets(data)));
  return [...new Set([...networks, ...peerNetworks(world), ...openedNetworks(world)])].sort();
}

/** Lines of pg_hba.conf; `all` is PostgreSQL's keyword, every other name is meant literally. */
export function hbaLines(rules: readonly AccessRule[]): string[] {
  return rules.flatMap(({ user, databases, networks, certificate }) =>
    networks.map((network) => {
      const names = databases.map(word).join(',');
      const method = certificate ? 'scram-sha-256 clientcert=verify-ca' : 'scram-sha-256';
      return `host ${names} ${word(user)} ${network} ${method}`;
    }),
  );
}

/** Quoted, a keyword is an ordinary name. */
function word(name: string): string {
  return name === 'all' ? name : `"${name.replaceAll('"', '""')}"`;
}

/**
 * Serves the `postgresql_client` interface in both of its versions: every request of every related
 * application gets a database, a role, a secret about it, and the endpoints to reach them.
 *
 * Pure and convergent: returns only what the snapshot still lacks, so a hook that dies half way is
 * finished by the next one, whatever event that happens to be. Never touches a database: what was
 * stored stays when its client goes.
 */
import { changedKeys } from '../../../lib/relations/databag.ts';
import {
  type Answer,
  answerData,
  type Kept,
  loginOf,
  loginSecret,
  type ProviderFacts,
  type SecretGroup,
  saidIds,
  saidItem,
  saidOf,
  secretGroup,
  secretLabel,
  secretUri,
  tlsSecret,
} from '../../../lib/relations/postgresql-client.ts';
import { clientAuthorities, clientFiles, relationOf } from '../model/certificates.ts';
import { matches, type RoleWish } from '../model/client-roles.ts';
import {
  CLIENT_ENDPOINT,
  type Client,
  clientRelations,
  type RelationRequests,
  requestsOf,
} from '../model/clients.ts';
import { PORTS } from '../model/patroni-config.ts';
import { primaryOf, probe, type Relation, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step, waiting } from '../model/steps.ts';
import type { DatabaseView } from '../model/world.ts';
import { type Endpoints, endpointsOf, unawareUnits } from './client-facts.ts';
import { leftovers, withdraw } from './client-leavings.ts';
import { chosenName, databasesWith } from './client-names.ts';
import { permissions } from './client-permissions.ts';
import { type Surroundings, surroundingsOf, wishOf } from './client-wish.ts';

export const clients: Decider = (world) => {
  // Only the leader may write application data; for a unit that leaves, relations end that live on.
  if (!world.unit.isLeader || world.unit.dying) return [];
  const server = serverOf(world);
  return [
    ...clientRelations(world).flatMap((relation) =>
      relation.ending ? withdraw(relation, world) : serveRelation(relation, world, server),
    ),
    ...leftovers(world),
  ];
};

/** What every client's answer needs of the cluster. */
interface Server extends Surroundings {
  endpoints: Endpoints;
  /** Past the pooler, for who has to show a certificate. */
  direct: Endpoints;
}

function serverOf(world: Snapshot): Server | undefined {
  const database = probe(world, 'database');
  const primary = primaryOf(world);
  if (!database.known || primary === undefined) return undefined;
  const view = database.value;
  const at = (port: number) => endpointsOf(world, primary.member, view.serverVersion, port);
  const [endpoints, direct] = [at(PORTS.pooler), at(PORTS.postgres)];
  return { ...surroundingsOf(world, view), endpoints, direct };
}

function serveRelation(
  relation: Relation,
  world: Snapshot,
  server: Server | undefined,
): Decision[] {
  const asked = requestsOf(relation);
  if (asked.silent) return [];
  const outcomes = asked.granted.map((client) => serve(client, world, server));
  const { app } = relation;
  const refusals = [
    ...asked.refused.map(({ reason }) => reason),
    ...outcomes.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal])),
  ];
  return [
    ...outcomes.flatMap(({ decisions }) => decisions),
    ...refusals.map((reason) => blocked('client-request-invalid', `${app} ${reason}`)),
    // Without a primary nothing is known to have changed.
    ...(server === undefined ? [] : tell(relation, asked, outcomes, refusals)),
  ];
}

interface Outcome {
  decisions: Decision[];
  /** Why it is not served. */
  refusal?: string;
  /** What the client may be told now. */
  answer?: Answer;
}

function serve(client: Client, world: Snapshot, server: Server | undefined): Outcome {
  const { relation, request, mark } = client;
  const chosen = chosenName(client, world);
  if (chosen !== undefined && 'problem' in chosen) {
    return { decisions: [], refusal: chosen.problem };
  }
  const said = saidOf(relation.localApp, request.id);
  const changed = changeOfKind(client, said);
  if (changed !== undefined) return { decisions: [], refusal: changed };
  const uncertain = certificateObstacle(client, world);
  if (uncertain !== undefined) return uncertain;
  if (server === undefined) {
    const why = waiting('no-primary', `${relation.app} waits: no primary can be reached`);
    return { decisions: [why] };
  }
  const databases = databasesOf(client, server.view);
  const endpoints = request.certificate === undefined ? server.endpoints : server.direct;
  const facts = { ...endpoints, ...resourceFacts(client, databases) };
  const wish = wishOf(client, chosen?.user ?? mark, databases, server);
  const served = { client, facts, wish, databases };
  const { steps, findings } = permissions(client, wish.name, world);
  const prepared = [...prepare(served, world, server), ...steps];
  if (said[`secret-${secretGroup(request)}`] === undefined) {
    const ruled = databases.length > 0 || request.roles.length > 0;
    const unaware = wish.login ? unawareUnits(wish.name, ruled, world) : [];
    if (unaware.length > 0) {
      const units = unaware.join(', ');
      const why = waiting('client-not-routed', `${relation.app} waits for the pooler of ${units}`);
      return { decisions: [...prepared, why] };
    }
    if (prepared.length > 0) return { decisions: prepared };
  }
  const decisions = [...prepared, ...findings, ...grants(client, said, world)];
  return { decisions, ...answerOf(served, world) };
}

/** A client that wants to be asked for its certificate is not served without. */
function certificateObstacle({ relation, request, mark }: Client, world: Snapshot) {
  if (request.certificate === undefined) return undefined;
  const offered = world.offered?.[mark];
  if (offered === undefined || 'problem' in offered) {
    const why = offered?.problem ?? 'it cannot be read';
    return { decisions: [], refusal: `offers a client certificate that cannot be used: ${why}` };
  }
  if (clientFiles(world) !== undefined) return undefined;
  if (relationOf(world, 'client-certificates') !== undefined) {
    const { app } = relation;
    const wait = waiting(
      'client-needs-tls',
      `${app} waits for TLS, to be asked for its certificate`,
    );
    return { decisions: [wait] };
  }
  const refusal = 'offers a client certificate, which takes TLS: integrate client-certificates';
  return { decisions: [], refusal };
}

/** What is granted is not taken away for a typing error; roles and networks follow the request. */
function changeOfKind({ request }: Client, said: Readonly<Record<string, string>>) {
  const { resource } = request;
  const name = 'database' in resource ? resource.database : `${resource.prefix}*`;
  if (said['database'] !== undefined && said['database'] !== name) {
    return `was given database ${said['database']} and asks for another; integrate it anew`;
  }
  const other = secretGroup(request) === 'user' ? 'entity' : 'user';
  if (said[`secret-${other}`] !== undefined) {
    return 'asks for another entity-type than it was given; integrate it anew';
  }
  return undefined;
}

function databasesOf({ request }: Client, view: DatabaseView): string[] {
  const { resource } = request;
  return 'database' in resource ? [resource.database] : databasesWith(resource.prefix, view);
}

function resourceFacts({ request }: Client, databases: string[]) {
  const { resource } = request;
  if ('database' in resource) return { database: resource.database };
  return { database: `${resource.prefix}*`, prefixDatabases: databases };
}

interface Served {
  client: Client;
  facts: ProviderFacts;
  wish: RoleWish;
  databases: string[];
}

/** Databases, role and secrets: everything that must exist before the client may hear of it. */
function prepare(served: Served, world: Snapshot, { view, ready }: Server): Decision[] {
  const { client, facts, wish, databases } = served;
  const { relation, request } = client;
  const why = `${relation.app} asked for database ${facts.database}`;
  const label = secretLabel(relation.id, request.id, secretGroup(request));
  const { entity, wants } = request;
  const args = {
    relationId: relation.id,
    label,
    role: wish,
    facts,
    request: { entity, wants },
    given: request.entitySecret,
  };
  const missing: Decision[] = databases
    .filter((database) => !ready.has(database))
    .map((database) => step('ensure-database', { database }, why));
  const role = view.roles.find(({ name }) => name === wish.name);
  const secret = world.relationSecrets[label];
  const login = loginOf(secret?.content);
  if (login === undefined || role === undefined || (wish.login && !role.login)) {
    // A role whose secret was never kept is the trace of a hook whose commit failed. Issuing again
    // resets its password, so a half-made credential is of no use to anybody.
    return [...missing, step('issue-credentials', args, why), ...tls(client, world, why)];
  }
  if (!matches(role, wish)) {
    missing.push(step('adjust-role', { role: wish }, `${relation.app} is to have other rights`));
  }
  if (!equal(loginSecret(login, facts, request), secret?.content)) {
    missing.push(step('update-credentials', args, `the endpoints of ${facts.database} changed`));
  }
  return [...missing, ...tls(client, world, why)];
}

function tls({ relation, request, protocol }: Client, world: Snapshot, why: string): Decision[] {
  if (!request.wants.tls) return [];
  const label = secretLabel(relation.id, request.id, 'tls');
  const content = tlsSecret(clientAuthorities(world)?.join('\n'), protocol);
  if (equal(content, world.relationSecrets[label]?.content)) return [];
  return [step('issue-tls-secret', { relationId: relation.id, label, content }, why)];
}

function equal(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>> | undefined,
): boolean {
  if (b === undefined || Object.keys(a).length !== Object.keys(b).length) return false;
  return Object.entries(a).every(([key, value]) => b[key] === value);
}

function groupsOf({ request }: Client): SecretGroup[] {
  return [secretGroup(request), ...(request.wants.tls ? (['tls'] as const) : [])];
}

/** Secrets that are there and that the databag does not name yet. */
function grants(
  client: Client,
  said: Readonly<Record<string, string>>,
  world: Snapshot,
): Decision[] {
  const { relation, request } = client;
  return groupsOf(client).flatMap((group) => {
    const label = secretLabel(relation.id, request.id, group);
    const id = world.relationSecrets[label]?.id;
    if (id === undefined || said[`secret-${group}`] === secretUri(id)) return [];
    const why = `${relation.app} is told how to reach its database`;
    return [step('grant-secret', { relationId: relation.id, label }, why)];
  });
}

/** Nothing while a secret that belongs to it is missing. */
function answerOf({ client, facts }: Served, world: Snapshot): Pick<Outcome, 'answer'> {
  const { relation, request } = client;
  const secrets = groupsOf(client).map((group) => {
    const id = world.relationSecrets[secretLabel(relation.id, request.id, group)]?.id;
    return [group, id === undefined ? undefined : secretUri(id)] as const;
  });
  if (secrets.some(([, uri]) => uri === undefined)) return {};
  return { answer: { request, facts, secrets: Object.fromEntries(secrets) } };
}

/** The databag of the relation; what was said before and cannot be said anew stays. */
function tell(
  relation: Relation,
  asked: RelationRequests,
  outcomes: readonly Outcome[],
  refusals: readonly string[],
): Decision[] {
  const { localApp } = relation;
  const answers = outcomes.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  const told = new Set(answers.map(({ request }) => request.id));
  const kept = [...asked.granted.map(({ request }) => request.id), ...refusedIds(asked)]
    .filter((id) => id !== undefined && !told.has(id))
    .flatMap((id): Kept[] => {
      const item = saidItem(localApp, id ?? '');
      return item === undefined ? [] : [{ kept: item }];
    });
  if (asked.protocol === 'v1' && answers.length + kept.length === 0 && refusals.length === 0) {
    if (saidIds(localApp).length === 0) return []; // Nothing has been said, and nothing can be.
  }
  const why = refusals.map((reason) => `${relation.app} ${reason}`);
  const wanted = answerData(asked.protocol, relation.remoteApp, [...answers, ...kept], why);
  const data = changedKeys(wanted, localApp);
  if (Object.keys(data).length === 0) return [];
  const bag = { endpoint: CLIENT_ENDPOINT, relationId: relation.id, scope: 'app', data } as const;
  return [step('relation-set', bag, `${relation.app} is told what it was given`)];
}

function refusedIds({ refused }: RelationRequests): (string | undefined)[] {
  return refused.map(({ id }) => id);
}

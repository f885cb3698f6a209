/**
 * What a client of the `postgresql_client` interface is told: databags and secrets of both versions
 * of the protocol, both sides. Values to text and back; grants nothing and reads no secret.
 *
 * What a client asks for is in postgresql-client-request.ts.
 */
import { type Databag, parseJson } from './databag.ts';
import {
  type ClientRequest,
  type Protocol,
  receivedRequests,
  repeated,
} from './postgresql-client-request.ts';

/** What the provider publishes beside the secrets. Endpoints are `host:port`, comma separated. */
export interface ProviderFacts {
  /** As it was asked for: a name, or a prefix that ends in `*`. */
  database: string;
  endpoints: string;
  readOnlyEndpoints: string;
  version: string;
  /** For a prefix: the databases whose names begin with it, ascending. */
  prefixDatabases?: readonly string[];
}

/** One request that is granted. */
export interface Answer {
  request: ClientRequest;
  facts: ProviderFacts;
  /** URIs of the secrets, by group; those that the client does not read are left out. */
  secrets: Partial<Record<SecretGroup, string>>;
}

/** What was said of a request in v1 and stays, though nothing new can be said of it now. */
export interface Kept {
  kept: Readonly<Record<string, unknown>>;
}

export const SECRET_GROUPS = ['user', 'tls', 'entity'] as const;
export type SecretGroup = (typeof SECRET_GROUPS)[number];

/** Which secret holds the login, or the name of the group. */
export function secretGroup({ entity }: ClientRequest): 'user' | 'entity' {
  return entity === 'login' ? 'user' : 'entity';
}

/**
 * The provider's application databag; undefined asks for a key to be absent.
 *
 * `data` repeats what the client had asked when the answer was written: clients look there, and one
 * of v1 fails on an answer whose request is not in it. Nothing is said before a request is granted.
 *
 * @param refusals why requests are not granted: `app asks for …`
 */
export function answerData(
  protocol: Protocol,
  remoteApp: Databag,
  answers: readonly (Answer | Kept)[],
  refusals: readonly string[],
): Record<string, string | undefined> {
  const status = refusals.length === 0 ? undefined : JSON.stringify(refusals.map(statusItem));
  if (protocol === 'v0') {
    const answer = answers.find((each) => 'request' in each);
    if (answer === undefined) return { status };
    return { ...flat(answer), data: repeated(remoteApp), requests: undefined, status };
  }
  const received = receivedRequests(remoteApp);
  return {
    ...NOTHING_FLAT,
    version: 'v1',
    data: JSON.stringify(received),
    requests: JSON.stringify(answers.map((answer) => listed(answer, received))),
    status,
  };
}

function flat({ facts, secrets }: Answer): Record<string, string | undefined> {
  return {
    database: facts.database,
    endpoints: facts.endpoints,
    'read-only-endpoints': facts.readOnlyEndpoints,
    version: facts.version,
    // An empty text would delete the key just the same.
    'prefix-databases': facts.prefixDatabases?.join(',') || undefined,
    'secret-user': secrets.user,
    'secret-tls': secrets.tls,
    'secret-entity': secrets.entity,
  };
}

/** A client that has gone over to v1 reads nothing of v0 any more. */
const NOTHING_FLAT = {
  database: undefined,
  endpoints: undefined,
  'read-only-endpoints': undefined,
  'prefix-databases': undefined,
  'secret-user': undefined,
  'secret-tls': undefined,
  'secret-entity': undefined,
};

function listed(
  answer: Answer | Kept,
  received: Record<string, Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if ('kept' in answer) return answer.kept;
  const { id = '' } = answer.request;
  const { database, ...said } = flat(answer);
  return { resource: database, 'request-id': id, salt: received[id]?.['salt'], ...said };
}

/** Codes of the interface: thousands are the gravity, 5 is for what does not heal by itself. */
function statusItem(message: string) {
  return { code: 5001, message, resolution: 'ask for something that can be granted' };
}

/**
 * Label of a secret for one request; owned by the application.
 *
 * @param requestId undefined for v0
 */
export function secretLabel(
  relationId: number,
  requestId: string | undefined,
  group: SecretGroup,
): string {
  const request = requestId === undefined ? '' : `${requestId}.`;
  return `database.${relationId}.${request}${group}.secret`;
}

/** Hook tools name an owned secret with or without its scheme; databags always with it. */
export function secretUri(id: string): string {
  return id.startsWith('secret:') ? id : `secret:${id}`;
}

export interface Login {
  username: string;
  password: string;
}

/** Content of the secret of a login, a user or a group; a group's password is left out. */
export function loginSecret(
  login: Login,
  facts: ProviderFacts,
  { entity, wants }: Pick<ClientRequest, 'entity' | 'wants'>,
): Record<string, string> {
  const { username, password } = login;
  if (entity === 'GROUP') return { 'entity-name': username };
  if (entity === 'USER') return { 'entity-name': username, 'entity-password': password };
  const database = facts.prefixDatabases === undefined ? facts.database : facts.prefixDatabases[0];
  // Of a prefix without a database there is nothing that a URI could lead to.
  if (database === undefined) return { username, password };
  const uri = (hosts: string) => postgresqlUri(login, hosts, database);
  const single = (hosts: string) => uri(hosts.split(',')[0] ?? '');
  return {
    username,
    password,
    ...(wants.uris
      ? {
          uris: `${uri(facts.endpoints)}?target_session_attrs=read-write`,
          'single-host-uris': single(facts.endpoints),
        }
      : {}),
    ...(wants.readOnlyUris
      ? {
          'read-only-uris': uri(facts.readOnlyEndpoints),
          'single-host-read-only-uris': single(facts.readOnlyEndpoints),
        }
      : {}),
  };
}

/** The login in a secret's content; undefined while there is none. */
export function loginOf(content: Databag | undefined): Login | undefined {
  const username = content?.['username'] ?? content?.['entity-name'];
  const password = content?.['password'] ?? content?.['entity-password'] ?? '';
  return username === undefined ? undefined : { username, password };
}

/**
 * Content of the secret `secret-tls`; `ca` in PEM, undefined without TLS. Clients of v1 read the
 * flag as JSON.
 */
export function tlsSecret(ca: string | undefined, protocol: Protocol): Record<string, string> {
  const [no, yes] = protocol === 'v0' ? ['False', 'True'] : ['false', 'true'];
  return { tls: ca === undefined ? no : yes, 'tls-ca': ca ?? '' } as Record<string, string>;
}

/** libpq's form with several hosts, tried in order. User and password may hold anything. */
export function postgresqlUri(login: Login, hosts: string, database: string): string {
  const text = (value: string) => encodeURIComponent(value.toWellFormed());
  return `postgresql://${text(login.username)}:${text(login.password)}@${hosts}/${text(database)}`;
}

/** What a client has been told, once it has everything that a login takes. */
export interface Connection extends ProviderFacts, Login {
  uris: string | undefined;
  readOnlyUris: string | undefined;
  tls: boolean;
  /** PEM; undefined without TLS. */
  tlsCa: string | undefined;
  /** A group has a name and no password. */
  group: boolean;
}

/** What the client finds in its application's view of the provider. */
export interface Told {
  bag: Databag;
  /** Contents of the secrets that the bag names; undefined while they cannot be read. */
  user: Databag | undefined;
  tls: Databag | undefined;
  entity: Databag | undefined;
}

/** @returns undefined until database, endpoints and login are all there */
export function parseResponse({ bag, user, tls, entity }: Told): Connection | undefined {
  const { database, endpoints } = bag;
  const login = loginOf(user ?? entity);
  const group = entity !== undefined && entity['entity-password'] === undefined;
  if (!database || !endpoints || !login?.username || !(login.password || group)) return undefined;
  const prefixDatabases = bag['prefix-databases'];
  return {
    database,
    endpoints,
    readOnlyEndpoints: bag['read-only-endpoints'] ?? '',
    version: bag['version'] ?? '',
    ...(prefixDatabases === undefined
      ? {}
      : { prefixDatabases: prefixDatabases.split(',').filter((name) => name !== '') }),
    ...login,
    uris: user?.['uris'],
    readOnlyUris: user?.['read-only-uris'],
    tls: tls?.['tls']?.toLowerCase() === 'true',
    tlsCa: tls?.['tls-ca'] || undefined,
    group,
  };
}

/** What a v1 databag of a provider says about one request, as it is; undefined: nothing. */
export function saidItem(
  bag: Databag,
  requestId: string,
): Readonly<Record<string, unknown>> | undefined {
  const list = parseJson(bag['requests'] ?? '');
  if (!Array.isArray(list)) return undefined;
  return list.find(
    (item: unknown): item is Record<string, unknown> =>
      typeof item === 'object' && item !== null && Reflect.get(item, 'request-id') === requestId,
  );
}

/** What a provider's databag says about one request, in the words of v0. */
export function saidOf(bag: Databag, requestId: string | undefined): Databag {
  if (requestId === undefined) return bag;
  const { resource, ...item } = saidItem(bag, requestId) ?? {};
  const texts = Object.entries({ ...item, database: resource }).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

/** Ids of the requests that a v1 databag of a provider says something about. */
export function saidIds(bag: Databag): string[] {
  const list = parseJson(bag['requests'] ?? '');
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown) => {
    const id: unknown =
      typeof item === 'object' && item !== null && Reflect.get(item, 'request-id');
    return typeof id === 'string' ? [id] : [];
  });
}

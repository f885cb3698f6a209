/**
 * The `postgresql_client` interface, version 0, both sides: what a client asks of a database, and
 * what it is told. Text to values and back; grants nothing and reads no secret.
 *
 * What a client may ask here decides names of databases and roles, lines of access rules and
 * pooler sections, so a request is taken apart strictly and refused with its reason.
 */
import { type Databag, databagJson, stringList } from './databag.ts';

/** Fields that may travel in a secret, grouped as the interface groups them. */
const USER_FIELDS = ['username', 'password', 'uris', 'read-only-uris'] as const;
const TLS_FIELDS = ['tls', 'tls-ca'] as const;
const REQUESTED_SECRETS = [...USER_FIELDS, ...TLS_FIELDS, 'entity-name', 'entity-password'];

/** Longest name whose owner role, `charmed_<name>_owner`, is still a PostgreSQL identifier. */
const MAX_NAME_BYTES = 49;
/** PostgreSQL's own, one that roles need, the pooler's console, keywords of access rules. */
const RESERVED_NAMES = [
  ...['postgres', 'template0', 'template1', 'databases', 'pgbouncer'],
  ...['all', 'sameuser', 'samerole', 'samegroup', 'replication'],
];
/** The pooler offers every database under this name too, on the replicas. */
export const READ_ONLY_SUFFIX = '_readonly';
/** Always the role of a client, or never: asking for one changes nothing. */
const ACCESS_GROUPS = ['relation_access', 'internal_access', 'identity_access'];

export interface ClientRequest {
  database: string;
  /** Lower case, ascending, without the access groups. */
  extraUserRoles: string[];
  /** Which of the optional fields the client reads from its secrets. */
  wants: { uris: boolean; readOnlyUris: boolean; tls: boolean };
}

export type ParsedRequest =
  | { ok: true; request: ClientRequest }
  /** A phrase that goes after the client's name: `asks for …`. */
  | { ok: false; reason: string };

/** @returns undefined as long as the client has asked for nothing */
export function parseRequest(remoteApp: Databag): ParsedRequest | undefined {
  const database = remoteApp['database'];
  if (database === undefined) {
    const newer = remoteApp['requests'] !== undefined;
    return newer ? refuse('asks in protocol v1 of postgresql_client; v0 is served') : undefined;
  }
  const unserved = unservedFeature(remoteApp, database);
  if (unserved !== undefined) return refuse(unserved);
  const name = nameProblem(database);
  if (name !== undefined) return refuse(`asks for database ${shown(database)}: ${name}`);
  const fields = secretFields(remoteApp['requested-secrets']);
  if (fields === undefined)
    return refuse('sends requested-secrets that is not a JSON list of names');
  return {
    ok: true,
    request: {
      database,
      extraUserRoles: extraRoles(remoteApp['extra-user-roles'] ?? ''),
      wants: {
        uris: fields.includes('uris'),
        readOnlyUris: fields.includes('read-only-uris'),
        tls: TLS_FIELDS.some((field) => fields.includes(field)),
      },
    },
  };
}

function refuse(reason: string): ParsedRequest {
  return { ok: false, reason };
}

/** Requests of the interface that exist and that this charm does not serve. */
function unservedFeature(bag: Databag, database: string): string | undefined {
  if (database.endsWith('*') || bag['prefix-matching'] !== undefined) {
    return `asks for every database that begins with a prefix (${shown(database)}); name one`;
  }
  const entity = bag['entity-type'];
  if (entity !== undefined) return `asks for an entity of type ${shown(entity)}; leave it out`;
  if (bag['requested-entity-secret'] !== undefined) {
    return 'asks for a user name of its own; leave requested-entity-secret out';
  }
  return undefined;
}

/** Why this cannot be the name of a client's database, or undefined when it can. */
export function nameProblem(database: string): string | undefined {
  if (database === '') return 'the name is empty';
  const bytes = new TextEncoder().encode(database).length;
  if (bytes > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes`;
  // Case counts in PostgreSQL, but a name that differs from a reserved one by case only misleads.
  if (RESERVED_NAMES.includes(database.toLowerCase())) return 'the name is reserved';
  if (database.endsWith(READ_ONLY_SUFFIX)) {
    return `names that end in ${READ_ONLY_SUFFIX} are the pooler's aliases for replicas`;
  }
  if (!/^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.-]*$/u.test(database)) {
    return 'a name has letters, digits, "_", "-" and "." only, and begins with neither "-" nor "."';
  }
  return undefined;
}

/** A client that does not say gets all in secrets: nothing secret is ever written in clear. */
function secretFields(json: string | undefined): string[] | undefined {
  return json === undefined ? REQUESTED_SECRETS : stringList(json);
}

function extraRoles(text: string): string[] {
  const roles = text.split(',').map((role) => role.trim().toLowerCase());
  const asked = roles.filter((role) => role !== '' && !ACCESS_GROUPS.includes(role));
  return [...new Set(asked)].sort();
}

function shown(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted.length > 62 ? `${quoted.slice(0, 58)}..."` : quoted;
}

/** What the provider publishes beside the secrets. Endpoints are `host:port`, comma separated. */
export interface ProviderFacts {
  database: string;
  endpoints: string;
  readOnlyEndpoints: string;
  version: string;
}

/**
 * The provider's application databag. `data` repeats the client's own databag: clients look there
 * for what they had asked when the answer was written.
 */
export function providerData(facts: ProviderFacts, remoteApp: Databag): Record<string, string> {
  const { data: _, ...asked } = remoteApp;
  return {
    data: databagJson(asked),
    database: facts.database,
    endpoints: facts.endpoints,
    'read-only-endpoints': facts.readOnlyEndpoints,
    version: facts.version,
  };
}

/** Label of the secret that holds a client's login; owned by the application. */
export function userSecretLabel(relationId: number): string {
  return `database.${relationId}.user.secret`;
}
/** Label of the secret that says whether and how a client speaks TLS. */
export function tlsSecretLabel(relationId: number): string {
  return `database.${relationId}.tls.secret`;
}

/** Hook tools name an owned secret with or without its scheme; databags always with it. */
export function secretUri(id: string): string {
  return id.startsWith('secret:') ? id : `secret:${id}`;
}

export interface Login {
  username: string;
  password: string;
}

/** Content of the secret `secret-user`. */
export function userSecret(
  login: Login,
  facts: ProviderFacts,
  wants: ClientRequest['wants'],
): Record<string, string> {
  const uri = (hosts: string) => postgresqlUri(login, hosts, facts.database);
  return {
    username: login.username,
    password: login.password,
    ...(wants.uris ? { uris: uri(facts.endpoints) } : {}),
    ...(wants.readOnlyUris ? { 'read-only-uris': uri(facts.readOnlyEndpoints) } : {}),
  };
}

/** Content of the secret `secret-tls`; `ca` in PEM, undefined without TLS. */
export function tlsSecret(ca: string | undefined): Record<string, string> {
  return { tls: ca === undefined ? 'False' : 'True', 'tls-ca': ca ?? '' };
}

/** libpq's form with several hosts, tried in order. User and password may hold anything. */
export function postgresqlUri(login: Login, hosts: string, database: string): string {
  const text = (value: string) => encodeURIComponent(value.toWellFormed());
  return `postgresql://${text(login.username)}:${text(login.password)}@${hosts}/${text(database)}`;
}

export interface Wish {
  database: string;
  /** Comma separated, as the operator wrote it; empty for none. */
  extraUserRoles: string;
}

/** The client's application databag. */
export function requestData(wish: Wish): Record<string, string> {
  return {
    database: wish.database,
    ...(wish.extraUserRoles === '' ? {} : { 'extra-user-roles': wish.extraUserRoles }),
    'requested-secrets': JSON.stringify(REQUESTED_SECRETS),
  };
}

/** What a client has been told, once it has everything that a login takes. */
export interface Connection extends ProviderFacts, Login {
  uris: string | undefined;
  readOnlyUris: string | undefined;
  tls: boolean;
  /** PEM; undefined without TLS. */
  tlsCa: string | undefined;
}

/**
 * The answer of a provider to a client.
 *
 * @param user content of the secret that `secret-user` names, undefined while it cannot be read
 * @param tls content of the secret that `secret-tls` names
 * @returns undefined until database, endpoints and login are all there
 */
export function parseResponse(
  remoteApp: Databag,
  user: Databag | undefined,
  tls: Databag | undefined,
): Connection | undefined {
  const { database, endpoints } = remoteApp;
  const username = user?.['username'];
  const password = user?.['password'];
  if (!database || !endpoints || !username || !password) return undefined;
  return {
    database,
    endpoints,
    readOnlyEndpoints: remoteApp['read-only-endpoints'] ?? '',
    version: remoteApp['version'] ?? '',
    username,
    password,
    uris: user?.['uris'],
    readOnlyUris: user?.['read-only-uris'],
    tls: tls?.['tls']?.toLowerCase() === 'true',
    tlsCa: tls?.['tls-ca'] || undefined,
  };
}

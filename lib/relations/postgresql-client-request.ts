/**
 * What a client of `postgresql_client` asks for: the databags of both versions of the protocol into
 * one model, and back. Grants nothing and reads no secret.
 *
 * What a client may ask here decides names of databases and roles, lines of access rules and
 * pooler sections, so a request is taken apart strictly and refused with its reason.
 */
import { type Databag, databagJson, parseJson, stringList } from './databag.ts';
import { nameProblem, prefixProblem, shown } from './postgresql-client-names.ts';
import { parsePermissions } from './postgresql-client-permissions.ts';

/** Fields that may travel in a secret, grouped as the interface groups them. */
const USER_FIELDS = ['username', 'password', 'uris', 'read-only-uris'] as const;
const TLS_FIELDS = ['tls', 'tls-ca'] as const;
const REQUESTED_SECRETS = [...USER_FIELDS, ...TLS_FIELDS, 'entity-name', 'entity-password'];

/** Always the role of a client, or never: asking for one changes nothing. */
const ACCESS_GROUPS = ['relation_access', 'internal_access', 'identity_access'];
/** What `extra-user-roles` and `extra-group-roles` may name. */
export const EXTRA_ROLES = [
  ...['charmed_admin', 'charmed_dml', 'charmed_read', 'charmed_stats'],
  ...['createdb', 'superuser'],
] as const;
export type ExtraRole = (typeof EXTRA_ROLES)[number];

/** More in one relation are no client's, but somebody's mistake. */
const MAX_REQUESTS = 50;

export type Protocol = 'v0' | 'v1';

/** A database by its name, or every one whose name begins with a prefix. */
export type Resource = { database: string } | { prefix: string };

export interface ClientRequest {
  /** v1: 16 hexadecimal digits that the client chose. v0 has one request, without an id. */
  id: string | undefined;
  resource: Resource;
  /**
   * `login`: name, password and URIs. `USER`: name and password as an entity. `GROUP`: a role
   * without a login, for others to be members of.
   */
  entity: 'login' | 'USER' | 'GROUP';
  /** Ascending. */
  roles: ExtraRole[];
  /** Its connections come from outside the model, from anywhere. */
  external: boolean;
  /** URI of the client's secret with the name that it wants, and a password if it brings one. */
  entitySecret: string | undefined;
  /** What its sessions will show beside the password; left out: nothing. */
  certificate?: OfferedAs;
  /** Single grants, ascending, instead of owning its database; left out: it owns it. */
  permissions?: string[];
  /** Which of the optional fields the client reads from its secrets. */
  wants: { uris: boolean; readOnlyUris: boolean; tls: boolean };
}

/** A client certificate, or who issues it: in a secret of the client, or as it is, in PEM. */
export type OfferedAs = { secret: string } | { pem: string };

/** Names of the field in that secret; the second is that of newer clients. */
const CERTIFICATE_FIELDS = ['mtls-cert', 'mtls-chain'];

/** The certificates in a client's secret, PEM; undefined when there are none. */
export function certificateIn(content: Databag | undefined): string | undefined {
  const field = CERTIFICATE_FIELDS.find((name) => content?.[name] !== undefined);
  return field === undefined ? undefined : content?.[field];
}

export type ParsedRequest =
  | { ok: true; request: ClientRequest }
  /** A phrase that goes after the client's name: `asks for …`. */
  | { ok: false; id: string | undefined; reason: string };

export interface Asked {
  protocol: Protocol;
  requests: ParsedRequest[];
}

/** @returns undefined as long as the client has asked for nothing */
export function parseRequests(remoteApp: Databag): Asked | undefined {
  if (isNewer(remoteApp)) {
    const { requests } = remoteApp;
    return requests === undefined ? undefined : { protocol: 'v1', requests: parseList(requests) };
  }
  const { database } = remoteApp;
  if (database === undefined) return undefined;
  const fields = secretFields(remoteApp['requested-secrets']);
  const bag = { ...remoteApp, resource: database };
  return { protocol: 'v0', requests: [parseRequest(bag, undefined, fields)] };
}

/** The library writes the version as JSON or as it is. */
function isNewer(bag: Databag): boolean {
  const { version } = bag;
  return version === 'v1' || version === '"v1"';
}

/** The requests of v1 as they were received, by id; empty for other databags. */
export function receivedRequests(remoteApp: Databag): Record<string, Record<string, unknown>> {
  const list = isNewer(remoteApp) ? parseJson(remoteApp['requests'] ?? '') : undefined;
  if (!Array.isArray(list)) return {};
  const named = list.flatMap((item) => {
    const id = isObject(item) ? item['request-id'] : undefined;
    return isObject(item) && isRequestId(id) ? [[id, item] as const] : [];
  });
  return Object.fromEntries(named);
}

function parseList(json: string): ParsedRequest[] {
  const list = parseJson(json);
  if (!Array.isArray(list)) return [refuse(undefined, 'sends requests that are not a JSON list')];
  if (list.length > MAX_REQUESTS) {
    return [refuse(undefined, `sends ${list.length} requests; ${MAX_REQUESTS} are served`)];
  }
  const ids = new Set<unknown>();
  return list.map((item: unknown) => {
    if (!isObject(item)) return refuse(undefined, 'sends a request that is not an object');
    const id = item['request-id'];
    if (!isRequestId(id)) {
      return refuse(undefined, 'sends a request whose request-id is not 16 hexadecimal digits');
    }
    if (ids.has(id)) return refuse(undefined, `sends two requests with request-id ${id}`);
    ids.add(id);
    const fields = textFields(item);
    return fields === undefined
      ? refuse(id, `sends request ${id} with a field that is no text`)
      : parseRequest(fields, id, REQUESTED_SECRETS);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRequestId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
}

/** Names under which a client may send the resource. */
const RESOURCE_KEYS = ['resource', 'database', 'topic', 'index', 'prefix'];
const TEXT_KEYS = [
  ...['extra-user-roles', 'extra-group-roles', 'entity-type', 'secret-mtls', 'mtls-cert'],
];

/** What v1 has as JSON, as v0 would have it; undefined when a field has another type. */
function textFields(item: Record<string, unknown>): Databag | undefined {
  const bag: Record<string, string> = {};
  const set = (key: string, value: unknown): boolean => {
    if (value === undefined || value === null) return true;
    if (typeof value !== 'string') return false;
    bag[key] = value;
    return true;
  };
  const key = RESOURCE_KEYS.find((name) => typeof item[name] === 'string');
  if (!set('resource', item[key ?? 'resource'] ?? '')) return undefined;
  if (!TEXT_KEYS.every((name) => set(name, item[name]))) return undefined;
  const external = item['external-node-connectivity'] ?? false;
  if (typeof external !== 'boolean') return undefined;
  const permissions = item['entity-permissions'] ?? [];
  if (!Array.isArray(permissions)) return undefined;
  if (permissions.length > 0) bag['entity-permissions'] = JSON.stringify(permissions);
  return { ...bag, 'external-node-connectivity': String(external) };
}

/** @param fields names of secret fields; undefined when the client's list cannot be read */
function parseRequest(
  bag: Databag,
  id: string | undefined,
  fields: readonly string[] | undefined,
): ParsedRequest {
  const { resource = '' } = bag;
  const prefix = resource.endsWith('*') ? resource.slice(0, -1) : undefined;
  const problem = prefix === undefined ? nameProblem(resource) : prefixProblem(prefix);
  if (problem !== undefined) return refuse(id, `asks for database ${shown(resource)}: ${problem}`);
  const unserved = unservedFeature(bag, prefix);
  if (unserved !== undefined) return refuse(id, unserved);
  const entity = bag['entity-type'] ?? 'login';
  if (entity !== 'login' && entity !== 'USER' && entity !== 'GROUP') {
    return refuse(id, `asks for an entity of type ${shown(entity)}; USER and GROUP are served`);
  }
  const roles = extraRoles(bag, entity);
  if (!roles.ok) return refuse(id, roles.reason);
  const asked = isGiven(bag['entity-permissions'])
    ? parsePermissions(bag['entity-permissions'], resource)
    : undefined;
  if (asked?.ok === false) return refuse(id, asked.reason);
  if (fields === undefined) {
    return refuse(id, 'sends requested-secrets that is not a JSON list of names');
  }
  const request: ClientRequest = {
    id,
    resource: prefix === undefined ? { database: resource } : { prefix },
    entity,
    roles: roles.roles,
    external: bag['external-node-connectivity']?.toLowerCase() === 'true',
    entitySecret: bag['requested-entity-secret'],
    ...certificateOf(bag),
    ...(asked === undefined || asked.grants.length === 0 ? {} : { permissions: asked.grants }),
    wants: {
      uris: fields.includes('uris'),
      readOnlyUris: fields.includes('read-only-uris'),
      tls: TLS_FIELDS.some((field) => fields.includes(field)),
    },
  };
  return { ok: true, request };
}

function certificateOf(bag: Databag): Pick<ClientRequest, 'certificate'> {
  const { 'secret-mtls': secret, 'mtls-cert': pem } = bag;
  if (secret !== undefined) return { certificate: { secret } };
  return pem === undefined ? {} : { certificate: { pem } };
}

function refuse(id: string | undefined, reason: string): ParsedRequest {
  return { ok: false, id, reason };
}

/** Requests of the interface that exist and that this charm does not serve. */
function unservedFeature(bag: Databag, prefix: string | undefined): string | undefined {
  const matching = bag['prefix-matching'];
  if (matching !== undefined && matching !== 'all') {
    return `asks for prefix-matching ${shown(matching)}; only "all" is served`;
  }
  if (matching !== undefined && prefix === undefined) {
    return 'asks for prefix-matching with a database that does not end in "*"';
  }
  if (prefix !== undefined && isGiven(bag['entity-permissions'])) {
    return 'asks for entity-permissions with a prefix; ask for one database by its name';
  }
  const offers = bag['secret-mtls'] !== undefined || bag['mtls-cert'] !== undefined;
  if (offers && bag['entity-type'] === 'GROUP') {
    return 'offers a client certificate for a group, which has no sessions; leave mtls-cert out';
  }
  if (bag['requested-entity-secret'] !== undefined && bag['entity-type'] === 'GROUP') {
    return 'asks for a group with a name of its own; leave requested-entity-secret out';
  }
  return undefined;
}

function isGiven(permissions: string | undefined): permissions is string {
  return permissions !== undefined && permissions !== '' && permissions !== '[]';
}

type ExtraRoles = { ok: true; roles: ExtraRole[] } | { ok: false; reason: string };

/** One role, or `charmed_admin` together with `createdb`: other sums are no sensible role. */
function extraRoles(bag: Databag, entity: ClientRequest['entity']): ExtraRoles {
  const [mine, other] =
    entity === 'GROUP'
      ? ['extra-group-roles', 'extra-user-roles']
      : ['extra-user-roles', 'extra-group-roles'];
  if ((bag[other] ?? '') !== '') {
    const what = entity === 'GROUP' ? 'a group' : 'a user';
    return { ok: false, reason: `asks for ${what} with ${other}; that is for ${mine}` };
  }
  const asked = splitRoles(bag[mine] ?? '');
  const roles = EXTRA_ROLES.filter((role) => asked.includes(role));
  const pair = roles.join() === 'charmed_admin,createdb';
  const inheritable = entity !== 'GROUP' || !roles.includes('superuser');
  if (roles.length === asked.length && (roles.length < 2 || pair) && inheritable) {
    return { ok: true, roles };
  }
  const reason =
    `asks for ${mine} ${shown(asked.join(','))}; allowed is one of ${EXTRA_ROLES.join(', ')}, ` +
    'or charmed_admin with createdb';
  return { ok: false, reason };
}

function splitRoles(text: string): string[] {
  const roles = text.split(',').map((role) => role.trim().toLowerCase());
  return [...new Set(roles.filter((role) => role !== '' && !ACCESS_GROUPS.includes(role)))].sort();
}

/** A client that does not say gets all in secrets: nothing secret is ever written in clear. */
function secretFields(json: string | undefined): string[] | undefined {
  return json === undefined ? REQUESTED_SECRETS : stringList(json);
}

/** What an operator wants a client to ask for; empty texts for what is left out. */
export interface Wish {
  /** A name, or a prefix that ends in `*`. */
  database: string;
  /** Comma separated, as the operator wrote it. */
  extraUserRoles: string;
  /** '', `USER` or `GROUP`. */
  entityType?: string;
  extraGroupRoles?: string;
  external?: boolean;
  /** As the interface has them; left out: none. */
  permissions?: readonly Permission[] | undefined;
  /** URIs of secrets that the client has granted to the database. */
  entitySecret?: string | undefined;
  certificateSecret?: string | undefined;
}

export interface Permission {
  resource_name: string;
  resource_type: string;
  privileges: readonly string[];
}

/** The client's application databag in v0. */
export function requestData(wish: Wish): Record<string, string> {
  const optional = {
    'extra-user-roles': wish.extraUserRoles,
    'extra-group-roles': wish.extraGroupRoles,
    'entity-type': wish.entityType,
    'external-node-connectivity': wish.external ? 'true' : '',
    'requested-entity-secret': wish.entitySecret,
    'secret-mtls': wish.certificateSecret,
    'entity-permissions': wish.permissions && JSON.stringify(wish.permissions),
    'prefix-matching': wish.database.endsWith('*') ? 'all' : '',
  };
  const given = Object.entries(optional).filter((entry): entry is [string, string] => !!entry[1]);
  return {
    database: wish.database,
    ...Object.fromEntries(given),
    'requested-secrets': JSON.stringify(REQUESTED_SECRETS),
  };
}

/** The client's application databag in v1, for one request. */
export function requestDataV1(wish: Wish, id: string, salt: string): Record<string, string> {
  const request = {
    resource: wish.database,
    'request-id': id,
    salt,
    'extra-user-roles': wish.extraUserRoles || null,
    'extra-group-roles': wish.extraGroupRoles || null,
    'external-node-connectivity': wish.external ?? false,
    'entity-type': wish.entityType || null,
    ...(wish.permissions === undefined ? {} : { 'entity-permissions': wish.permissions }),
    ...(wish.certificateSecret === undefined ? {} : { 'secret-mtls': wish.certificateSecret }),
  };
  return { version: 'v1', requests: JSON.stringify([request]) };
}

/** What the provider repeats of a v0 request: the databag without the client's own cache. */
export function repeated(remoteApp: Databag): string {
  const { data: _, ...asked } = remoteApp;
  return databagJson(asked);
}

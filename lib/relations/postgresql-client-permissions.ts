/**
 * `entity-permissions` of `postgresql_client`: the privileges that a client asks for instead of
 * owning its database, taken apart strictly and put into single grants. Grants nothing.
 *
 * A grant is one line, `TABLE public.goods SELECT`, equal for equal rights: it is compared,
 * recorded and taken apart again. Names are those of the catalog, in which case counts.
 */
import { parseJson } from './databag.ts';
import { shown } from './postgresql-client-names.ts';

/** What may be asked for on which kind of object; `ALL` stands for every one of them. */
export const PRIVILEGES = {
  DATABASE: ['CONNECT', 'CREATE', 'TEMPORARY'],
  SCHEMA: ['CREATE', 'USAGE'],
  SEQUENCE: ['SELECT', 'UPDATE', 'USAGE'],
  TABLE: ['DELETE', 'INSERT', 'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE'],
} as const;
export type GrantType = keyof typeof PRIVILEGES;

/** More are no client's, but somebody's mistake. */
const MOST = 500;
/** What needs no quotes in a grant's line. */
const NAME = /^[\p{L}_][\p{L}\p{M}\p{N}_$-]*$/u;
const LONGEST_NAME = 63;

export type ParsedPermissions =
  /** Ascending. */
  | { ok: true; grants: string[] }
  /** A phrase that goes after the client's name. */
  | { ok: false; reason: string };

/**
 * @param json a list of `{resource_name, resource_type, privileges}`
 * @param database the one that the client asks for
 */
export function parsePermissions(json: string, database: string): ParsedPermissions {
  const list = parseJson(json);
  if (!Array.isArray(list)) return refuse('sends entity-permissions that is not a JSON list');
  const grants: string[] = [];
  for (const item of list.slice(0, MOST)) {
    const parsed = permission(item, database);
    if (!parsed.ok) return parsed;
    grants.push(...parsed.grants);
  }
  const all = [...new Set(grants)].sort();
  if (list.length > MOST || all.length > MOST) {
    return refuse(`asks for more than ${MOST} entity-permissions`);
  }
  if (all.length === 0) return { ok: true, grants: [] };
  // Without these the others are of no use.
  return { ok: true, grants: [...new Set([`DATABASE ${database} CONNECT`, ...all])].sort() };
}

function permission(item: unknown, database: string): ParsedPermissions {
  const type = GRANT_TYPES.find((name) => name === text(item, 'type').toUpperCase());
  if (type === undefined) {
    const what = shown(text(item, 'type'));
    return refuse(`asks for permissions on a ${what}; served are ${GRANT_TYPES.join(', ')}`);
  }
  const name = nameOf(type, text(item, 'name'), database);
  if (name === undefined) {
    const what = `${type} ${shown(text(item, 'name'))}`;
    return refuse(`asks for permissions on ${what}; ${FORMS[type]}`);
  }
  const privileges = privilegesOf(type, field(item, 'privileges'));
  if (privileges === undefined) {
    const allowed = ['ALL', ...PRIVILEGES[type]].join(', ');
    return refuse(`asks for permissions on ${type} ${shown(name)}; privileges are ${allowed}`);
  }
  const schema = type === 'TABLE' || type === 'SEQUENCE' ? name.split('.')[0] : undefined;
  const entry = schema === undefined ? [] : [`SCHEMA ${schema} USAGE`];
  return { ok: true, grants: [...entry, ...privileges.map((each) => `${type} ${name} ${each}`)] };
}

const GRANT_TYPES = Object.keys(PRIVILEGES) as GrantType[];

const FORMS: Readonly<Record<GrantType, string>> = {
  DATABASE: 'only the database that it asks for can be meant',
  SCHEMA: 'it has to be the name of a schema that is not of the system',
  SEQUENCE: 'it has to be a name, schema.name, or * for all',
  TABLE: 'it has to be a name, schema.name, or * for all',
};

/** In the form that a grant has; undefined when it is none. */
function nameOf(type: GrantType, given: string, database: string): string | undefined {
  if (type === 'DATABASE') return given === database || given === '*' ? database : undefined;
  if (type === 'SCHEMA') return isSchema(given) ? given : undefined;
  const [schema = '', object, ...rest] = given.includes('.') ? given.split('.') : ['public', given];
  const fits = object === '*' || isName(object ?? '');
  return isSchema(schema) && fits && rest.length === 0 ? `${schema}.${object}` : undefined;
}

function isSchema(name: string): boolean {
  return isName(name) && !/^(pg_|information_schema$)/.test(name);
}

function isName(name: string): boolean {
  return NAME.test(name) && new TextEncoder().encode(name).length <= LONGEST_NAME;
}

function privilegesOf(type: GrantType, given: unknown): readonly string[] | undefined {
  if (!Array.isArray(given) || given.length === 0) return undefined;
  const known: readonly string[] = PRIVILEGES[type];
  const asked = given.map((each) => {
    const word = String(each).toUpperCase();
    return word === 'TEMP' ? 'TEMPORARY' : word;
  });
  if (asked.includes('ALL') || asked.includes('ALL PRIVILEGES')) return known;
  return asked.every((each) => known.includes(each)) ? asked : undefined;
}

/** The library's names have underscores, the interface's description dashes. */
function field(item: unknown, name: string): unknown {
  if (typeof item !== 'object' || item === null) return undefined;
  const names = name === 'privileges' ? [name] : [`resource_${name}`, `resource-${name}`];
  return names.map((each) => Reflect.get(item, each)).find((value) => value !== undefined);
}

function text(item: unknown, name: string): string {
  const value = field(item, name);
  return typeof value === 'string' ? value : '';
}

function refuse(reason: string): ParsedPermissions {
  return { ok: false, reason };
}

/** One grant, taken apart; `schema` and `object` are empty where the kind has none. */
export interface Grant {
  type: GrantType;
  schema: string;
  /** `*`: every one that there is, and those made later. */
  object: string;
  privilege: string;
}

/** Undefined for what is no grant, as a record that somebody has changed. */
export function parseGrant(line: string): Grant | undefined {
  const [word, name = '', privilege = '', ...rest] = line.split(' ');
  const type = GRANT_TYPES.find((each) => each === word);
  const known: readonly string[] = type === undefined ? [] : PRIVILEGES[type];
  if (type === undefined || !known.includes(privilege) || rest.length > 0) return undefined;
  if (type === 'DATABASE') return { type, schema: '', object: '', privilege };
  if (nameOf(type, name, '') !== name) return undefined;
  const [schema = '', object = ''] = name.split('.');
  return { type, schema, object, privilege };
}

/** What a grant is about, for people: `TABLE public.goods`. */
export function grantedObject(line: string): string {
  return line.slice(0, line.lastIndexOf(' '));
}

/**
 * The roles of the instance and of each database, and which of them a client's role has: names and
 * memberships as data. Pure; the SQL behind them is in apply/.
 *
 * What a database holds belongs to its owner role, which logins assume by a setting of their own
 * for that database: it survives RESET ROLE, DISCARD ALL and the pooler.
 */
import type { ExtraRole } from '../../../lib/relations/postgresql-client-request.ts';
import type { DatabaseRole, DatabaseView } from './world.ts';

/** Written as the last thing into what has been set up; grows with every change of the SQL. */
export const ROLES_REVISION = 'pgcharm roles 1';

/** Owns the databases themselves, so that no client can drop or rename its own. */
export const DATABASES_OWNER = 'charmed_databases_owner';
/** Every client's role is a member, and nothing else. */
export const CLIENT_GROUP = 'relation_access';
/** Logins by where they come from: a directory, the charm, a relation. */
export const ACCESS_GROUPS = ['identity_access', 'internal_access', CLIENT_GROUP] as const;

export interface InstanceRole {
  name: string;
  memberOf: readonly string[];
  /** It may create databases, after SET ROLE: attributes are not inherited. */
  createdb?: boolean;
}

/** In an order in which each is there before others become its members. */
export const INSTANCE_ROLES: readonly InstanceRole[] = [
  { name: 'charmed_stats', memberOf: ['pg_monitor'] },
  { name: 'charmed_read', memberOf: ['pg_read_all_data', 'charmed_stats'] },
  { name: 'charmed_dml', memberOf: ['pg_write_all_data', 'charmed_read'] },
  { name: 'charmed_backup', memberOf: ['pg_checkpoint', 'charmed_stats'] },
  { name: 'charmed_dba', memberOf: ['charmed_dml'], createdb: true },
  { name: 'charmed_admin', memberOf: ['charmed_dml'] },
  { name: DATABASES_OWNER, memberOf: [], createdb: true },
];
/** Its comment says that all of the above is done. */
export const ROLES_MARK = 'charmed_admin';

export interface DatabaseRoles {
  owner: string;
  admin: string;
  dml: string;
}

/** Roles of one database. A name of up to 49 bytes leaves room for them. */
export function rolesOf(database: string): DatabaseRoles {
  return {
    owner: `charmed_${database}_owner`,
    admin: `charmed_${database}_admin`,
    dml: `charmed_${database}_dml`,
  };
}

/** What the role of one client is to be. */
export interface RoleWish {
  name: string;
  /** Whose it is: kept as the role's comment, since a client may have chosen the name. */
  mark: string;
  login: boolean;
  superuser: boolean;
  /** Everything it is a member of among the charm's own roles. */
  memberOf: string[];
  /** -1: no limit. */
  connectionLimit: number;
  /** As in DatabaseRole. */
  assumes: Record<string, string>;
}

/** Memberships that the charm decides about; others are an operator's and stay. */
export function isManaged(group: string): boolean {
  return group.startsWith('charmed_') || group === CLIENT_GROUP;
}

/** Settings that the charm decides about. */
export function isOwnerRole(role: string): boolean {
  return /^charmed_.+_owner$/.test(role);
}

/**
 * What a client is a member of, for the databases that it asked for.
 *
 * @param permitted it asks for single permissions in them, and owns nothing
 */
export function membershipsOf(
  databases: readonly string[],
  extra: readonly ExtraRole[],
  permitted = false,
): string[] {
  const [only] = extra;
  const instance = extra.flatMap((role) =>
    role === 'superuser' ? [] : [role === 'createdb' ? DATABASES_OWNER : role],
  );
  // Who reads, writes or watches the whole instance owns nothing in any database.
  const watches = ['charmed_stats', 'charmed_read', 'charmed_dml'].includes(only ?? '');
  const owns = !permitted && !watches;
  const own = owns ? databases.map(rolesOf).flatMap(({ admin, dml }) => [admin, dml]) : [];
  return [CLIENT_GROUP, ...instance, ...own].sort();
}

/**
 * Which role the sessions of a login assume in each database: the owner for who administers it, and
 * elsewhere the owner of databases for who may create some.
 *
 * @param databases those whose roles exist
 */
export function assumedRoles(
  memberOf: readonly string[],
  databases: readonly string[],
): Record<string, string> {
  const groups = new Set(memberOf);
  const all = groups.has('charmed_admin');
  const owned = databases.filter((name) => all || groups.has(rolesOf(name).admin));
  return Object.fromEntries([
    ...(groups.has(DATABASES_OWNER) ? [['', DATABASES_OWNER]] : []),
    ...owned.map((name) => [name, rolesOf(name).owner]),
  ]) as Record<string, string>;
}

/** Databases whose roles and rights have been set up by the present rules, ascending. */
export function readyDatabases(view: DatabaseView): string[] {
  const open = new Set(view.openDatabases);
  const marks = new Map(view.roles.map(({ name, comment }) => [name, comment]));
  return view.databases.filter(
    (name) => !open.has(name) && marks.get(rolesOf(name).owner) === ROLES_REVISION,
  );
}

/** Whether a role is what it should be. Its password is not part of it. */
export function matches(role: DatabaseRole, wish: RoleWish): boolean {
  return (
    role.login === wish.login &&
    role.superuser === wish.superuser &&
    role.comment === wish.mark &&
    role.connectionLimit === wish.connectionLimit &&
    same(role.memberOf.filter(isManaged), wish.memberOf) &&
    sameSettings(role.assumes ?? {}, wish.assumes)
  );
}

/** Settings are equal but for those that an operator has made for other roles. */
export function sameSettings(
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  const managed = Object.entries(actual).filter(([, role]) => isOwnerRole(role));
  const texts = (entries: [string, string][]) => entries.map((entry) => entry.join('\0'));
  return same(texts(managed), texts(Object.entries(wanted)));
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.toSorted().join('\n') === b.toSorted().join('\n');
}

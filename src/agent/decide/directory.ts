/**
 * What the roles of the database lack to be those of the directory. Pure, and convergent: what it
 * returns, carried out, leaves nothing to return.
 *
 * Touches no role that it has not made itself, which its comment says; of such a role's memberships
 * it takes back only those it gave. A role that owns something is locked, never dropped.
 */
import { IDENTITY_GROUP } from '../../charm/model/hba.ts';
import { isOwnName } from '../../charm/model/ldap-map.ts';
import type { Person } from './directory-people.ts';

export interface DatabaseRole {
  readonly name: string;
  readonly login: boolean;
  /** Superuser, replication, or what leads there: too much for a directory to hand out. */
  readonly mighty: boolean;
  /** The comment on the role; '' for none. */
  readonly comment: string;
  /** Of roles with a mark only. */
  readonly memberOf: readonly string[];
  /** Something in the cluster belongs to it, or names it in its rights. */
  readonly needed: boolean;
}

/** What the comment on a role of ours says. */
export interface Mark {
  /** Memberships that were given for a group of the directory, sorted. */
  readonly granted: readonly string[];
  /** The directory knows it no more, and it was locked for that. */
  readonly locked: boolean;
}

export type RoleChange =
  | { readonly kind: 'create-group' }
  | { readonly kind: 'create'; readonly name: string; readonly mark: Mark }
  | { readonly kind: 'drop'; readonly name: string }
  | {
      readonly kind: 'alter';
      readonly name: string;
      readonly grant: readonly string[];
      readonly revoke: readonly string[];
      /** Undefined leaves it. */
      readonly login: boolean | undefined;
      readonly mark: Mark;
    };

export interface DirectoryPlan {
  readonly changes: RoleChange[];
  /** What cannot be done, one sentence each. */
  readonly notes: string[];
}

/** @param wantedRoles every role of `ldap-map`, also those that nobody has */
export function planDirectory(
  people: readonly Person[],
  roles: readonly DatabaseRole[],
  wantedRoles: readonly string[],
): DirectoryPlan {
  const byName = new Map(roles.map((role) => [role.name, role]));
  const { usable, notes } = usableRoles(wantedRoles, byName);
  const names = new Map(people.map((person) => [person.name, person]));
  const create = people.filter(({ name }) => !byName.has(name) && isUsableName(name));
  const ours = roles.flatMap((role) => {
    const mark = markOf(role);
    return mark === undefined ? [] : [{ role, mark }];
  });
  if (people.length === 0 && ours.length > 0) {
    return { changes: [], notes: [...notes, NOBODY] };
  }
  const changes = [
    ...(byName.has(IDENTITY_GROUP) ? [] : [{ kind: 'create-group' } as const]),
    ...ours.flatMap(({ role, mark }) => {
      const person = names.get(role.name);
      if (person === undefined) return withdraw(role, mark);
      return keep(role, mark, rolesFor(person, usable, role.name));
    }),
    ...create.map(({ name, ...person }) => {
      const granted = rolesFor(person, usable, name);
      return { kind: 'create', name, mark: { granted, locked: false } } as const;
    }),
  ];
  return { changes, notes: [...notes, ...refusals(people, byName)] };
}

/** A search that finds nobody is sooner a right taken away, or another base, than the truth. */
const NOBODY =
  'the directory shows no user at all; no role is removed for that: check ldap-search-filter, ' +
  'the base and what its login may read';

function rolesFor(
  { roles }: Pick<Person, 'roles'>,
  usable: ReadonlySet<string>,
  own: string,
): string[] {
  return roles.filter((role) => usable.has(role) && role !== own).toSorted();
}

function keep(role: DatabaseRole, mark: Mark, wanted: readonly string[]): RoleChange[] {
  const grant = [IDENTITY_GROUP, ...wanted].filter((each) => !role.memberOf.includes(each));
  const revoke = mark.granted.filter(
    (each) => !wanted.includes(each) && role.memberOf.includes(each),
  );
  const login = mark.locked && !role.login ? true : undefined;
  return alter(role, mark, { grant, revoke, login, mark: { granted: wanted, locked: false } });
}

function withdraw(role: DatabaseRole, mark: Mark): RoleChange[] {
  if (!role.needed) return [{ kind: 'drop', name: role.name }];
  const revoke = mark.granted.filter((each) => role.memberOf.includes(each));
  const login = role.login ? false : undefined;
  return alter(role, mark, { grant: [], revoke, login, mark: { granted: [], locked: true } });
}

function alter(
  { name }: DatabaseRole,
  before: Mark,
  change: Omit<Extract<RoleChange, { kind: 'alter' }>, 'kind' | 'name'>,
): RoleChange[] {
  const { grant, revoke, login, mark } = change;
  const same = grant.length === 0 && revoke.length === 0 && login === undefined;
  if (same && markText(mark) === markText(before)) return [];
  return [{ kind: 'alter', name, ...change }];
}

/** The roles of the map that may be handed out; why the others may not. */
function usableRoles(wanted: readonly string[], byName: ReadonlyMap<string, DatabaseRole>) {
  const usable = new Set<string>();
  const notes: string[] = [];
  for (const name of new Set(wanted)) {
    const role = byName.get(name);
    if (role === undefined) {
      notes.push(`ldap-map names role ${name}, which does not exist: create it`);
    } else if (role.mighty || markOf(role) !== undefined) {
      const what = role.mighty ? 'as mighty as a superuser' : "a directory user's own";
      notes.push(`ldap-map names role ${name}, which is ${what}: choose another`);
    } else if (isOwnName(name)) {
      notes.push(`ldap-map names role ${name}, which is the charm's own: choose another`);
    } else {
      usable.add(name);
    }
  }
  return { usable, notes };
}

const SHOWN = 3;

/** Users who get no role, a few by name. */
function refusals(people: readonly Person[], byName: ReadonlyMap<string, DatabaseRole>): string[] {
  const taken = people.filter(({ name }) => {
    const role = byName.get(name);
    return role !== undefined && markOf(role) === undefined;
  });
  const unusable = people.filter(({ name }) => !byName.has(name) && !isUsableName(name));
  return [
    ...told(taken, 'has the name of a role that is not of the directory'),
    ...told(unusable, 'has a name that no user of the directory can have here'),
  ];
}

function told(people: readonly Person[], what: string): string[] {
  if (people.length === 0) return [];
  const names = people.slice(0, SHOWN).map(({ name }) => JSON.stringify(name).slice(0, 70));
  const more = people.length > SHOWN ? ` and ${people.length - SHOWN} more` : '';
  return [`${names.join(', ')}${more} of the directory ${what}`];
}

/**
 * PostgreSQL cuts names of more than 63 bytes, keeps `pg_` for itself, and refuses to search for
 * names with what means something in a filter.
 */
export function isUsableName(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > 63 || isOwnName(name)) return false;
  return !/^pg_|^charmed_|[*()\\/\u0000-\u001f\u007f]/.test(name);
}

const MARK = 'ldap-sync ';

export function markText({ granted, locked }: Mark): string {
  return `${MARK}${JSON.stringify({ granted, ...(locked ? { locked } : {}) })}`;
}

/** Undefined: the role is somebody else's; what the charm itself has made is never a user's. */
export function markOf({ name, comment }: Pick<DatabaseRole, 'name' | 'comment'>) {
  return isUsableName(name) ? readMark(comment) : undefined;
}

function readMark(comment: string): Mark | undefined {
  if (!comment.startsWith(MARK)) return undefined;
  try {
    const value: unknown = JSON.parse(comment.slice(MARK.length));
    if (typeof value !== 'object' || value === null || !('granted' in value)) return undefined;
    const { granted } = value;
    if (!Array.isArray(granted) || !granted.every((each) => typeof each === 'string')) {
      return undefined;
    }
    return { granted, locked: 'locked' in value && value.locked === true };
  } catch {
    return undefined;
  }
}

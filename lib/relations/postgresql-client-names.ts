/**
 * Which names a client of `postgresql_client` may choose: of a database, a prefix, a user.
 * Each becomes part of role names, access rules and pooler sections. Pure.
 */

/** Longest name whose owner role, `charmed_<name>_owner`, is still a PostgreSQL identifier. */
const MAX_NAME_BYTES = 49;
/** Longest identifier. */
const MAX_ROLE_BYTES = 63;
/** A shorter prefix would take in what belongs to others. */
const MIN_PREFIX_LETTERS = 3;
/** PostgreSQL's own, one that roles need, the pooler's console, keywords of access rules. */
const RESERVED_NAMES = [
  ...['postgres', 'template0', 'template1', 'databases', 'pgbouncer'],
  ...['all', 'sameuser', 'samerole', 'samegroup', 'replication'],
];
/** The pooler offers every database under this name too, on the replicas. */
const READ_ONLY_SUFFIX = '_readonly';

/** Why this cannot be the name of a client's database, or undefined when it can. */
export function nameProblem(database: string): string | undefined {
  if (database === '') return 'the name is empty';
  if (bytes(database) > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes`;
  // Case counts in PostgreSQL, but a name that differs from a reserved one by case only misleads.
  if (RESERVED_NAMES.includes(database.toLowerCase())) return 'the name is reserved';
  if (database.endsWith(READ_ONLY_SUFFIX)) {
    return `names that end in ${READ_ONLY_SUFFIX} are the pooler's aliases for replicas`;
  }
  return charactersProblem(database);
}

/** Why this cannot be a prefix of names; without its `*`. */
export function prefixProblem(prefix: string): string | undefined {
  if ([...prefix].length < MIN_PREFIX_LETTERS) {
    return `a prefix has at least ${MIN_PREFIX_LETTERS} letters before "*"`;
  }
  if (bytes(prefix) > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes`;
  return charactersProblem(prefix);
}

/** Why this cannot be the name of a client's user. Whether it is taken is another question. */
export function userProblem(user: string): string | undefined {
  if (user === '') return 'the name is empty';
  if (bytes(user) > MAX_ROLE_BYTES) return `a name has at most ${MAX_ROLE_BYTES} bytes`;
  if (/^(pg_|charmed_|relation-|relation_)/i.test(user)) {
    return 'names that begin with pg_, charmed_ or relation are taken';
  }
  if (RESERVED_NAMES.includes(user.toLowerCase()) || RESERVED_USERS.has(user.toLowerCase())) {
    return 'the name is reserved';
  }
  return charactersProblem(user);
}

/** The charm's own logins and groups, and PostgreSQL's words for roles. */
const RESERVED_USERS = new Set([
  ...['operator', 'replication', 'rewind', 'monitoring', 'backup', 'patroni', 'watcher'],
  ...['identity_access', 'internal_access', 'relation_access'],
  ...['public', 'none', 'current_user', 'current_role', 'session_user', 'root'],
]);

function charactersProblem(name: string): string | undefined {
  // Most names need none of Unicode's tables, and to compile these takes every event a millisecond.
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) return undefined;
  if (/^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.-]*$/u.test(name)) return undefined;
  return 'a name has letters, digits, "_", "-" and "." only, and begins with neither "-" nor "."';
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What a stranger wrote, for one line that people read. */
export function shown(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted.length > 62 ? `${quoted.slice(0, 58)}..."` : quoted;
}

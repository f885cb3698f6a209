/**
 * Who the directory says there is, and which roles each is to have, from the entries that a search
 * has found. Groups may hold groups, to any depth and in circles. Pure.
 */
import type { LdapEntry } from '../../charm/model/ldap-entry.ts';
import type { GroupMapping } from '../../charm/model/ldap-map.ts';

export interface Person {
  /** As PostgreSQL would compare it with who logs in. */
  readonly name: string;
  /** Sorted names of the roles that the groups stand for. */
  readonly roles: readonly string[];
}

/**
 * An entry's own name as the directory writes it (RFC 5020, and Active Directory's own): the client
 * library drops backslashes and blanks from the name that comes with an entry.
 */
const NAME_ATTRIBUTES = ['entryDN', 'distinguishedName'] as const;

/** Groups by members' names (`member`), or by users' short ones (`memberUid`). */
export const GROUP_FILTER =
  '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)' +
  '(objectClass=posixGroup)(objectClass=group))';
export const GROUP_ATTRIBUTES = [
  ...['cn', 'member', 'uniqueMember', 'memberUid'],
  ...NAME_ATTRIBUTES,
] as const;

/** Attributes to ask for of a user whose name is in `attribute`. */
export function userAttributes(attribute: string): string[] {
  return [...new Set([attribute, 'uid', 'memberOf', ...NAME_ATTRIBUTES])];
}

interface Found {
  /** Entries of users, and the attribute that holds the name. */
  users: readonly LdapEntry[];
  attribute: string;
  groups: readonly LdapEntry[];
  map: readonly GroupMapping[];
}

/** Ascending by name; an entry without a name is nobody, and a name that two have is one person. */
export function peopleOf({ users, attribute, groups, map }: Found): Person[] {
  const granted = rolesByMember(groups, map);
  const people = new Map<string, Set<string>>();
  for (const user of users) {
    for (const name of user.values[attribute.toLowerCase()] ?? []) {
      const roles = people.get(name) ?? new Set();
      for (const role of granted.of(user)) roles.add(role);
      people.set(name, roles);
    }
  }
  return [...people]
    .map(([name, roles]) => ({ name, roles: [...roles].sort() }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function rolesByMember(groups: readonly LdapEntry[], map: readonly GroupMapping[]) {
  const byDn = new Map<string, Set<string>>();
  const byUid = new Map<string, Set<string>>();
  const nested = new Map(groups.map((group) => [ownDn(group), group]));
  for (const { group, role } of map) {
    const named = groups.filter(({ values }) =>
      (values['cn'] ?? []).some((name) => name.toLowerCase() === group.toLowerCase()),
    );
    for (const each of within(named, nested)) {
      add(byDn, ownDn(each), role);
      for (const dn of membersOf(each)) add(byDn, dn, role);
      for (const uid of each.values['memberuid'] ?? []) add(byUid, uid, role);
    }
  }
  return {
    of(user: LdapEntry): string[] {
      const dns = [ownDn(user), ...(user.values['memberof'] ?? []).map(normalDn)];
      const uids = user.values['uid'] ?? [];
      return [
        ...dns.flatMap((each) => [...(byDn.get(each) ?? [])]),
        ...uids.flatMap((each) => [...(byUid.get(each) ?? [])]),
      ];
    },
  };
}

/** The groups and all that are in them, each once: circles end. */
function within(start: readonly LdapEntry[], byDn: ReadonlyMap<string, LdapEntry>): LdapEntry[] {
  const seen = new Set(start);
  // A Set goes on with what is added while it is walked.
  for (const group of seen) {
    for (const dn of membersOf(group)) {
      const inner = byDn.get(dn);
      if (inner !== undefined) seen.add(inner);
    }
  }
  return [...seen];
}

function ownDn({ dn, values }: LdapEntry): string {
  return normalDn(values['entrydn']?.[0] ?? values['distinguishedname']?.[0] ?? dn);
}

function membersOf({ values }: LdapEntry): string[] {
  return [...(values['member'] ?? []), ...(values['uniquemember'] ?? [])].map(normalDn);
}

function add(map: Map<string, Set<string>>, key: string, role: string): void {
  const roles = map.get(key) ?? new Set();
  map.set(key, roles.add(role));
}

/**
 * One text for all spellings of a distinguished name (RFC 4514): case, blanks around separators and
 * the two ways to write a special character do not matter.
 */
export function normalDn(dn: string): string {
  let normal = '';
  // Only the first equals sign of a part separates; a later one is of its value.
  let inType = true;
  for (const [token] of dn.matchAll(TOKEN)) {
    const separator = /^\s*([,+=])\s*$/.exec(token)?.[1];
    if (separator === undefined) normal += plain(token);
    else if (separator !== '=') normal += separator;
    else normal += inType ? '=' : token;
    if (separator !== undefined) inType = separator !== '=';
  }
  return normal.trim().toLowerCase();
}

/** A run of escaped bytes, one escaped character, a separator with its blanks, anything else. */
const TOKEN = /(?:\\[0-9A-Fa-f]{2})+|\\.|\s*[,+=]\s*|[\s\S]/gu;

function plain(token: string): string {
  if (!token.startsWith('\\')) return token;
  if (!/^\\[0-9A-Fa-f]{2}/.test(token)) return escaped(token.slice(1));
  const text = Buffer.from(token.replaceAll('\\', ''), 'hex').toString();
  return [...text].map(escaped).join('');
}

/** Only what would otherwise separate keeps its backslash. */
function escaped(character: string): string {
  return /[,+\\]/.test(character) ? `\\${character}` : character;
}

/**
 * The option `ldap-map`: which role of the database the members of which group of the directory
 * get. Names that are the charm's own are refused: a directory must not hand them out.
 */
import { IDENTITY_GROUP, SYSTEM_USERS } from './hba.ts';

export interface GroupMapping {
  /** Common name of the group in the directory; compared without regard to case. */
  readonly group: string;
  readonly role: string;
}

/** What the charm itself makes: no directory may name or hand out any of it. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  ...SYSTEM_USERS,
  ...['replication', 'backup', 'patroni', 'watcher', 'postgres', 'public', 'none'],
  ...[IDENTITY_GROUP, 'internal_access', 'relation_access', 'charmed_databases_owner'],
]);

/** Roles whose members are given by the charm or by PostgreSQL alone. */
export function isOwnName(name: string): boolean {
  return OWN_NAMES.has(name) || /^relation[-_]/.test(name);
}

/** `group=role,…`; undefined when a part is not of that form, or names a role of the charm. */
export function parseLdapMap(text: string): GroupMapping[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  const mappings = parts
    .filter((part, index) => part !== '' || index < parts.length - 1)
    .map((part) => /^([^=\u0000-\u001f]+)=([^=\u0000-\u001f]+)$/.exec(part))
    .map((match) => match && { group: (match[1] ?? '').trim(), role: (match[2] ?? '').trim() });
  const usable = mappings.every(
    (each) => each !== null && each.group !== '' && isRoleName(each.role),
  );
  return usable && mappings.length > 0 ? mappings.filter((each) => each !== null) : undefined;
}

function isRoleName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= 63 && !isOwnName(name);
}

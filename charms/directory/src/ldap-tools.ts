/**
 * OpenLDAP's own tools on this machine, as whoever slapd lets do everything over its socket: no
 * password is needed, and what is secret goes over standard input.
 */
import { run } from '../../../lib/machine/run.ts';
import { ldif, parseLdif, socketUrl } from './slapd.ts';
import type { Held, LdifChange, Places } from './world.ts';

const TIMEOUT_MS = 10_000;
/** slapd's answers to a repeat: the entry exists, or is gone, or has the value already. */
const DONE_ALREADY = [20, 32, 68];

/** @throws OperatorError `command-failed` when slapd refuses a change or does not answer */
export async function modify(places: Places, changes: readonly LdifChange[]): Promise<void> {
  for (const change of changes) {
    const repeatable = !('change' in change) || change.change.every(({ how }) => how !== 'replace');
    await run('ldapmodify', [...access(places)], {
      timeoutMs: TIMEOUT_MS,
      input: ldif([change], 'changes'),
      accept: repeatable ? [0, ...DONE_ALREADY] : [0],
    });
  }
}

/** What the charm has made; undefined while slapd does not answer. */
export async function held(places: Places, base: string): Promise<Held | undefined> {
  const wanted = ['objectClass', 'cn', 'uid', 'member', 'userPassword'];
  const filter = '(|(objectClass=simpleSecurityObject)(objectClass=inetOrgPerson)(member=*))';
  const args = [...access(places), '-LLL', '-o', 'ldif_wrap=no', '-b', base, filter, ...wanted];
  try {
    const { stdout } = await run('ldapsearch', args, { timeoutMs: TIMEOUT_MS });
    return heldIn(parseLdif(stdout));
  } catch {
    return undefined;
  }
}

function access(places: Places): string[] {
  return ['-Q', '-Y', 'EXTERNAL', '-H', socketUrl(places)];
}

export function heldIn(entries: readonly Record<string, string[]>[]): Held {
  const first = (entry: Record<string, string[]>, name: string) => entry[name]?.[0] ?? '';
  const logins = entries.flatMap((entry) => {
    const [, id] = /^relation-(\d+)$/.exec(first(entry, 'cn')) ?? [];
    return id === undefined ? [] : [[Number(id), first(entry, 'userpassword')] as const];
  });
  const users = entries
    .filter((entry) => entry['uid'] !== undefined)
    .map((entry) => ({ name: first(entry, 'uid'), fullName: first(entry, 'cn') }));
  const groups = entries
    .filter((entry) => entry['member'] !== undefined)
    .map((entry) => ({
      name: first(entry, 'cn'),
      members: (entry['member'] ?? []).flatMap(memberName).sort(),
    }));
  return { logins: Object.fromEntries(logins), users, groups };
}

function memberName(dn: string): string[] {
  const [, kind, name] = /^(uid|cn)=([^,]+),ou=(?:people|groups),/.exec(dn) ?? [];
  if (name === undefined) return [];
  return [kind === 'uid' ? name : `@${name}`];
}

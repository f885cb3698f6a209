/**
 * What slapd reads and is told: its configuration, the entries a new directory begins with, and
 * changes as LDIF. Pure text; every value of LDIF is in base64, so that none can end its line.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { Secret } from '../../../lib/std/secret.ts';
import type { LdifChange, LdifValues, Places, Transport } from './world.ts';

/** Debian's and Ubuntu's package puts them there. */
const MODULES = '/usr/lib/ldap';
const SCHEMAS = ['core', 'cosine', 'inetorgperson'];
/** As much as the directory may grow to; the file is sparse. */
const MAX_BYTES = 1_073_741_824;

export const userDn = (name: string, base: string) => `uid=${name},ou=people,${base}`;
export const groupDn = (name: string, base: string) => `cn=${name},ou=groups,${base}`;
export const loginDn = (relationId: number, base: string) =>
  `cn=relation-${relationId},ou=services,${base}`;
/** A group must have a member: this one, which is nobody, is in every group. */
export const nobodyDn = (base: string) => `cn=nobody,${base}`;

export function slapdConfig(
  places: Places,
  base: string,
  root: { uid: number; gid: number },
): string {
  const services = `ou=services,${base}`;
  return [
    '# Written by the charm; changes by hand are lost.',
    ...SCHEMAS.map((name) => `include /etc/ldap/schema/${name}.schema`),
    `modulepath ${MODULES}`,
    'moduleload back_mdb',
    'moduleload refint',
    `TLSCACertificateFile ${places.ca}`,
    `TLSCertificateFile ${places.certificate}`,
    `TLSCertificateKeyFile ${places.key}`,
    // The own socket counts as 71, TLS as 128 and more, a plain connection as 0.
    'security ssf=64',
    'disallow bind_anon',
    'require authc',
    'idletimeout 300',
    'database mdb',
    `suffix "${base}"`,
    `rootdn "gidNumber=${root.gid}+uidNumber=${root.uid},cn=peercred,cn=external,cn=auth"`,
    `directory ${places.database}`,
    `maxsize ${MAX_BYTES}`,
    'index objectClass,uid,cn,member eq',
    `limits dn.onelevel="${services}" size=unlimited size.prtotal=unlimited`,
    'access to attrs=userPassword by self write by anonymous auth by * none',
    `access to dn.subtree="${services}" by self read by anonymous auth by * none`,
    `access to * by dn.onelevel="${services}" read by self read by anonymous auth by * none`,
    // Whoever is removed is no member any more.
    'overlay refint',
    'refint_attributes member',
    `refint_nothing "${nobodyDn(base)}"`,
    '',
  ].join('\n');
}

/** The program may only read its usual places where AppArmor has a profile for its usual path. */
export function slapdCommand(
  places: Places,
  transport: Transport,
  address: string,
  port: number,
): string[] {
  const scheme = transport === 'ldaps' ? 'ldaps' : 'ldap';
  const urls = `${scheme}://${hostPort(address, port)}/ ${socketUrl(places)}`;
  const start = 'cp -f /usr/sbin/slapd "$0" && exec "$0" "$@"';
  const program = `${places.root}/run/slapd`;
  return ['/bin/sh', '-c', start, program, '-d', 'none', '-f', places.config, '-h', urls];
}

export function socketUrl({ socket }: Places): string {
  return `ldapi://${encodeURIComponent(socket)}`;
}

/** Entries of a new directory. */
export function seed(base: string): LdifChange[] {
  const first = /^dc=([^,]+)/.exec(base)?.[1] ?? '';
  const unit = (name: string): LdifChange => ({
    dn: `ou=${name},${base}`,
    add: { objectClass: ['organizationalUnit'], ou: [name] },
  });
  return [
    { dn: base, add: { objectClass: ['dcObject', 'organization'], dc: [first], o: [first] } },
    { dn: nobodyDn(base), add: { objectClass: ['organizationalRole'], cn: ['nobody'] } },
    ...['people', 'groups', 'services'].map(unit),
  ];
}

export function ldif(changes: readonly LdifChange[], kind: 'content' | 'changes'): string {
  return changes.map((change) => `${linesOf(change, kind).join('\n')}\n`).join('\n');
}

function linesOf(change: LdifChange, kind: 'content' | 'changes'): string[] {
  const dn = line('dn', change.dn);
  if ('delete' in change) return [dn, 'changetype: delete'];
  if ('add' in change) {
    return [dn, ...(kind === 'changes' ? ['changetype: add'] : []), ...attributes(change.add)];
  }
  const parts = change.change.flatMap(({ how, attribute, values }) => [
    `${how}: ${attribute}`,
    ...attributes({ [attribute]: values }),
    '-',
  ]);
  return [dn, 'changetype: modify', ...parts];
}

function attributes(values: LdifValues): string[] {
  return Object.entries(values).flatMap(([name, all]) => all.map((value) => line(name, value)));
}

function line(name: string, value: string | Secret): string {
  const text = value instanceof Secret ? value.reveal() : value;
  return `${name}:: ${Buffer.from(text).toString('base64')}`;
}

/** Attributes of each entry of what ldapsearch prints, by name in lower case. */
export function parseLdif(text: string): Record<string, string[]>[] {
  return text
    .replaceAll('\n ', '')
    .split(/\n\n+/)
    .filter((entry) => entry.trim() !== '')
    .map((entry) => {
      const values: Record<string, string[]> = {};
      for (const [, name = '', colons, value = ''] of entry.matchAll(/^([\w;-]+)(::?) ?(.*)$/gm)) {
        const clear = colons === '::' ? Buffer.from(value, 'base64').toString() : value;
        const key = name.toLowerCase();
        values[key] = [...(values[key] ?? []), clear];
      }
      return values;
    });
}

/** RFC 2307's salted SHA-1: what every slapd takes without a further module. */
export function hashOf(password: string, salt: Buffer): string {
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

export function isHashOf(hash: string, password: string): boolean {
  const [, content] = /^\{SSHA\}(.+)$/.exec(hash) ?? [];
  if (content === undefined) return false;
  const salt = Buffer.from(content, 'base64').subarray(20);
  const [a, b] = [Buffer.from(hash), Buffer.from(hashOf(password, salt))];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A real slapd with as many users and groups as asked for, configured as the companion charm does,
 * on an address of loopback. Ends what it started and removes its files.
 */
import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  groupDn,
  hashOf,
  ldif,
  loginDn,
  nobodyDn,
  seed,
  slapdConfig,
  userDn,
} from '../../charms/directory/src/slapd.ts';
import type { LdifChange, Places } from '../../charms/directory/src/world.ts';
import { poll } from '../../lib/std/clock.ts';
import { systemRandom } from '../../lib/std/random.ts';
import { Secret } from '../../lib/std/secret.ts';
import { createAuthority, issueCertificate } from '../../lib/x509/authority.ts';
import type { DirectoryWish } from '../../src/charm/model/desired.ts';
import { connectDirectory } from '../../src/charm/workload/ldap.ts';

const run = promisify(execFile);
const BASE = 'dc=example,dc=org';
/** Its own, with a port below those that are given to connections: nobody else takes it. */
const HOST = `127.${randomInt(1, 250)}.${randomInt(1, 250)}.8`;
const PORT = 6360;
const PASSWORD = 'of-the-login';

export interface TestDirectory {
  readonly wish: DirectoryWish;
  end(): Promise<void>;
}

/**
 * @param users their names, any text
 * @param groups members by name of the group: users, and groups with an @ before their names
 */
export async function startDirectory(
  users: readonly string[],
  groups: Record<string, readonly string[]>,
): Promise<TestDirectory> {
  const root = await mkdtemp(join(tmpdir(), 'dir-'));
  await chmod(root, 0o711);
  const places = placesIn(root);
  for (const path of [places.database, join(root, 'run')]) await mkdir(path);
  await certify(places);
  const { uid, gid } = userInfo();
  await writeFile(places.config, slapdConfig(places, BASE, { uid, gid }));
  const entries = [...seed(BASE), login(), ...people(users), ...grouped(groups)];
  const file = join(root, 'entries.ldif');
  await writeFile(file, ldif(entries, 'content'));
  await run('/usr/sbin/slapadd', ['-q', '-f', places.config, '-l', file]);
  await copyFile('/usr/sbin/slapd', join(root, 'run', 'slapd'));
  const args = ['-d', 'none', '-f', places.config, '-h', `ldaps://${HOST}:${PORT}/`];
  const child = spawn(join(root, 'run', 'slapd'), args, { stdio: 'ignore' });
  const wish: DirectoryWish = {
    security: 'ldaps',
    servers: [{ host: HOST, port: PORT }],
    baseDn: BASE,
    bindDn: loginDn(1, BASE),
    password: PASSWORD,
    caFile: places.ca,
    filter: '(uid=$username)',
    map: [],
  };
  const end = async () => {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGTERM')) await gone;
    await rm(root, { recursive: true, force: true });
  };
  if (await answers(wish, places.ca)) return { wish, end };
  await end();
  throw new Error('slapd did not start');
}

function placesIn(root: string): Places {
  const at = (name: string) => join(root, name);
  const files = { ca: at('ca.pem'), certificate: at('cert.pem'), key: at('key.pem') };
  const config = at('slapd.conf');
  return { root, config, ...files, socket: at('run/ldapi'), database: at('database') };
}

async function certify({ ca, certificate, key }: Places): Promise<void> {
  const authority = await createAuthority('test', { days: 2, random: systemRandom });
  const names = { member: HOST, addresses: [HOST] };
  const issued = await issueCertificate(authority, names, { days: 2, random: systemRandom });
  await writeFile(ca, authority.certificate);
  await writeFile(certificate, issued.certificate);
  await writeFile(key, issued.key, { mode: 0o600 });
}

function login(): LdifChange {
  const userPassword = [hashOf(PASSWORD, systemRandom.bytes(16))];
  const objectClass = ['organizationalRole', 'simpleSecurityObject'];
  return { dn: loginDn(1, BASE), add: { objectClass, cn: ['relation-1'], userPassword } };
}

/** RFC 4514: every special character by its code. */
function escaped(name: string): string {
  return name.replace(/[^A-Za-z0-9.-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}

const memberDn = (member: string) =>
  member.startsWith('@') ? groupDn(escaped(member.slice(1)), BASE) : userDn(escaped(member), BASE);

function people(names: readonly string[]): LdifChange[] {
  return names.map((uid) => {
    const values = { objectClass: ['inetOrgPerson'], uid: [uid], cn: [uid], sn: [uid] };
    return { dn: memberDn(uid), add: values };
  });
}

function grouped(groups: Record<string, readonly string[]>): LdifChange[] {
  return Object.entries(groups).map(([name, members]) => {
    const member = [nobodyDn(BASE), ...members.map(memberDn)];
    return { dn: memberDn(`@${name}`), add: { objectClass: ['groupOfNames'], cn: [name], member } };
  });
}

async function answers({ map: _, caFile: __, ...target }: DirectoryWish, caFile: string) {
  const { readFile } = await import('node:fs/promises');
  const ca = await readFile(caFile, 'utf8');
  const password = new Secret(target.password);
  const connected = () =>
    connectDirectory({ ...target, password, ca }).then(
      (directory) => {
        directory.close();
        return true as const;
      },
      () => undefined,
    );
  return poll(connected, { timeoutMs: 120_000, everyMs: 50 });
}

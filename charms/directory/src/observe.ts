/** Reads what this charm decides by: the contract, its files, slapd's entries. Changes nothing. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { CA_FIELD, isStillGood } from '../../../lib/charm/own-authority.ts';
import { endingOf } from '../../../lib/charm/workload.ts';
import type { WorkloadTools } from '../../../lib/charm/workload-steps.ts';
import type { HookContext } from '../../../lib/contract/context.ts';
import { secretUri } from '../../../lib/relations/postgresql-client.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import { held } from './ldap-tools.ts';
import { type Places, type Relation, SERVICE, type TrustingRelation, type World } from './world.ts';

export type Tools = WorkloadTools;

const USER = 'openldap';
const PROGRAMS = {
  slapd: '/usr/sbin/slapd',
  'ldap-utils': '/usr/bin/ldapmodify',
  runit: '/usr/bin/runsvdir',
} as const;

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context, services, root } = tools;
  const [isLeader, options, network, ports, places] = await Promise.all([
    hooks.isLeader(),
    hooks.configGet(),
    hooks.networkGet('ldap').catch(() => undefined),
    hooks.openedPorts(),
    placesOf(tools),
  ]);
  const address = network?.bindAddresses[0]?.addresses[0]?.value;
  const port = Number(options['port']);
  const baseDn = String(options['base-dn']);
  const asRoot = process.getuid?.() === 0;
  const secret = await hooks.secretGet({ label: authorityLabel(context.app) }, 'peek');
  const ca = secret?.[CA_FIELD];
  const service = await services.state(SERVICE);
  return {
    isLeader,
    address,
    config: { baseDn, port, transport: String(options['transport']) },
    places,
    missingPackages: await missing(),
    user: asRoot ? USER : undefined,
    root: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    authority: ca === undefined ? undefined : { certificate: ca },
    relations: await relationsOf(tools, isLeader),
    trusting: await trustingOf(tools, isLeader),
    seededFor: places && (await readIfExists(join(places.database, 'base-dn')))?.trim(),
    written: places && (await readIfExists(places.config)),
    certified: await isCertified(places, address, ca),
    services: { [SERVICE]: service },
    supervised: await services.supervised(),
    openPorts: ports.map((each) => Number.parseInt(each, 10)),
    held: service?.running && places ? await held(places, baseDn) : undefined,
    failure: await failureOf(join(root, 'log', SERVICE, 'current')),
    ending: endingOf(context, 'data'),
  };
}

async function placesOf({ hooks, context, root }: Tools): Promise<Places | undefined> {
  if (context.name === 'data-storage-detaching') return undefined;
  const [first] = await hooks.storageList('data');
  if (first === undefined) return undefined;
  return {
    root,
    config: join(root, 'slapd.conf'),
    ca: join(root, 'ca.pem'),
    certificate: join(root, 'cert.pem'),
    key: join(root, 'key.pem'),
    socket: join(root, 'run', 'ldapi'),
    database: join(await hooks.storageLocation(first), 'database'),
  };
}

async function missing(): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(PROGRAMS).map(async ([name, path]) => ((await exists(path)) ? [] : [name])),
  );
  return found.flat();
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export function authorityLabel(app: string): string {
  return `${app}.authority`;
}

export function loginLabel(app: string, relationId: number): string {
  return `${app}.login-${relationId}`;
}

async function relationsOf(tools: Tools, isLeader: boolean): Promise<Relation[]> {
  const { hooks, context } = tools;
  const ids = await hooks.relationIds('ldap');
  return Promise.all(
    ids.map(async (id) => ({
      id,
      app: (await hooks.relationApp('ldap', id)) ?? '',
      ending: isBroken(context, 'ldap', id),
      // Only the leader may read its own application's side.
      local: isLeader ? await hooks.relationGet('ldap', id, context.app, 'app') : {},
      login: await loginOf(tools, id),
    })),
  );
}

async function loginOf({ hooks, context }: Tools, id: number): Promise<Relation['login']> {
  const label = loginLabel(context.app, id);
  const password = (await hooks.secretGet({ label }, 'peek'))?.['password'];
  const found = password === undefined ? undefined : (await hooks.secretInfo({ label }))?.id;
  return password === undefined || found === undefined
    ? undefined
    : { id: secretUri(found), password };
}

async function trustingOf(tools: Tools, isLeader: boolean): Promise<TrustingRelation[]> {
  const { hooks, context } = tools;
  const ids = await hooks.relationIds('send-ca-cert');
  return Promise.all(
    ids.map(async (id) => ({
      id,
      app: (await hooks.relationApp('send-ca-cert', id)) ?? '',
      ending: isBroken(context, 'send-ca-cert', id),
      localApp: isLeader ? await hooks.relationGet('send-ca-cert', id, context.app, 'app') : {},
      localUnit: await hooks.relationGet('send-ca-cert', id, context.unit),
    })),
  );
}

function isBroken({ name, relation }: HookContext, endpoint: string, id: number): boolean {
  return name === `${endpoint}-relation-broken` && relation?.id === id;
}

async function isCertified(
  places: Places | undefined,
  address: string | undefined,
  ca: string | undefined,
): Promise<boolean> {
  if (places === undefined || address === undefined || ca === undefined) return false;
  const [certificate, key, written] = await Promise.all([
    readIfExists(places.certificate),
    readIfExists(places.key),
    readIfExists(places.ca),
  ]);
  if (certificate === undefined || key === undefined || written?.trim() !== ca) return false;
  return isStillGood({ certificate, key }, ca, address);
}

/** What slapd said last, when that was not that it runs. */
async function failureOf(log: string): Promise<string | undefined> {
  const lines = ((await readIfExists(log)) ?? '').trimEnd().split('\n');
  const last = lines.at(-1)?.replace(/^\S+ (?:[0-9a-f.]+ 0x[0-9a-f]+ )?/, '') ?? '';
  return last === '' || /slapd (starting|stopped)/.test(last) ? undefined : last.slice(0, 120);
}

/** Carries out the steps of this charm. Each is safe to repeat; none decides anything. */
import { chown, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  CA_FIELD,
  createOwnAuthority,
  issueServerCertificate,
} from '../../../lib/charm/own-authority.ts';
import type { StepTable } from '../../../lib/charm/reconcile.ts';
import { workloadSteps } from '../../../lib/charm/workload-steps.ts';
import { run } from '../../../lib/machine/run.ts';
import { PASSWORD_FIELD } from '../../../lib/relations/ldap.ts';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { writeAtomic } from '../../../lib/std/files.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { modify } from './ldap-tools.ts';
import { authorityLabel, loginLabel, observe, type Tools } from './observe.ts';
import { hashOf, ldif, loginDn, seed } from './slapd.ts';
import { type LdifChange, type Places, SERVICE, type Steps } from './world.ts';

const STOP_MS = 20_000;
const START_MS = 5000;
const SALT_BYTES = 16;

export const steps: StepTable<Steps, Tools> = {
  ...workloadSteps('server', STOP_MS),
  'create-authority': {
    lane: 'server',
    priority: 20,
    async apply(_, tools) {
      const label = authorityLabel(tools.context.app);
      await createOwnAuthority(tools, { label, description: "the directory's own authority" });
      return undefined;
    },
  },
  'write-config': { lane: 'server', priority: 30, apply: writeConfig },
  'make-database': { lane: 'server', priority: 40, apply: makeDatabase },
  'issue-certificate': { lane: 'server', priority: 40, apply: issue },
  'start-service': { lane: 'server', priority: 60, apply: start },
  'make-login': { lane: ({ relationId }) => `relation ${relationId}`, apply: makeLogin },
  'remove-login': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ relationId, baseDn }, tools) {
      await modify(await placesOf(tools), [{ dn: loginDn(relationId, baseDn), delete: true }]);
      const label = loginLabel(tools.context.app, relationId);
      const found = await tools.hooks.secretInfo({ label });
      if (found !== undefined) await tools.hooks.secretRemove(found.id);
      return undefined;
    },
  },
  publish: {
    lane: ({ relationId }) => `relation ${relationId}`,
    priority: 70,
    async apply({ relationId, data }, { hooks }) {
      await hooks.relationSet('ldap', relationId, data, 'app');
      return undefined;
    },
  },
  'tell-authority': {
    lane: ({ relationId }) => `relation ${relationId}`,
    priority: 70,
    async apply({ relationId, scope, data }, { hooks }) {
      const app = scope === 'app' ? (['app'] as const) : ([] as const);
      await hooks.relationSet('send-ca-cert', relationId, data, ...app);
      return undefined;
    },
  },
  'set-user': { lane: 'entries', apply: setUser },
  modify: {
    lane: 'entries',
    async apply({ changes }, tools) {
      await modify(await placesOf(tools), changes);
      return undefined;
    },
  },
};

async function placesOf(tools: Tools): Promise<Places> {
  const { places } = await observe(tools);
  if (places !== undefined) return places;
  throw new OperatorError({ code: 'no-storage', message: 'cannot write: storage data is gone' });
}

async function writeConfig({ text }: Steps['write-config'], tools: Tools): Promise<undefined> {
  const places = await placesOf(tools);
  await mkdir(places.root, { recursive: true, mode: 0o711 });
  await mkdir(dirname(places.socket), { recursive: true, mode: 0o700 });
  const owner = await serverIds();
  if (owner !== undefined) await chown(dirname(places.socket), owner.uid, owner.gid);
  await writeAtomic(places.config, text, { mode: 0o600, ...owner });
  await restartIfRunning(tools.services);
  return undefined;
}

/** Made beside its place and moved there whole. */
async function makeDatabase({ baseDn }: Steps['make-database'], tools: Tools): Promise<undefined> {
  const places = await placesOf(tools);
  const aside = `${places.database}.new`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { mode: 0o700 });
  const owner = await serverIds();
  if (owner !== undefined) await chown(aside, owner.uid, owner.gid);
  const config = join(places.root, 'run', 'seed.conf');
  const { readFile } = await import('node:fs/promises');
  const text = (await readFile(places.config, 'utf8')).replace(places.database, aside);
  await writeAtomic(config, text, { mode: 0o600, ...owner });
  const input = ldif(seed(baseDn), 'content');
  await run('slapadd', ['-f', config], { timeoutMs: 30_000, input, ...owner });
  await writeAtomic(join(aside, 'base-dn'), `${baseDn}\n`, { mode: 0o600, ...owner });
  await rm(config, { force: true });
  await rm(places.database, { recursive: true, force: true });
  await rename(aside, places.database);
  return undefined;
}

async function issue({ address }: Steps['issue-certificate'], tools: Tools): Promise<undefined> {
  const { hooks, context, services } = tools;
  const places = await placesOf(tools);
  const secret = (await hooks.secretGet({ label: authorityLabel(context.app) }, 'peek')) ?? {};
  const issued = await issueServerCertificate(secret, address);
  const owner = await serverIds();
  await writeAtomic(places.ca, `${secret[CA_FIELD]}\n`, { mode: 0o644, ...owner });
  await writeAtomic(places.key, issued.key, { mode: 0o600, ...owner });
  await writeAtomic(places.certificate, issued.certificate, { mode: 0o644, ...owner });
  await restartIfRunning(services);
  return undefined;
}

/** slapd reads its configuration and its certificate only when it starts. */
async function restartIfRunning(services: Tools['services']): Promise<void> {
  if ((await services.state(SERVICE))?.running) await services.restart(SERVICE);
}

/** Started is who answers: what comes next in this event speaks to it. */
async function start({ name }: Steps['start-service'], tools: Tools): Promise<undefined> {
  await tools.services.up(name);
  const { socket } = await placesOf(tools);
  const there = () =>
    stat(socket).then(
      () => true as const,
      () => undefined,
    );
  await poll(there, { timeoutMs: START_MS, everyMs: 25 });
  return undefined;
}

async function makeLogin(
  { relationId, baseDn }: Steps['make-login'],
  tools: Tools,
): Promise<undefined> {
  const { hooks, context } = tools;
  const label = loginLabel(context.app, relationId);
  const kept = (await hooks.secretGet({ label }, 'peek'))?.[PASSWORD_FIELD];
  const password = kept ?? systemRandom.password();
  const dn = loginDn(relationId, baseDn);
  const userPassword = [hashed(password)];
  const objectClass = ['organizationalRole', 'simpleSecurityObject'];
  await modify(await placesOf(tools), [
    { dn, add: { objectClass, cn: [`relation-${relationId}`], userPassword } },
    replacePassword(dn, userPassword),
  ]);
  if (kept !== undefined) return undefined;
  // After slapd knows it: a secret that is never kept leaves a password that nobody has.
  const id = await hooks.secretAdd({ [PASSWORD_FIELD]: password }, { label });
  await hooks.secretGrant(id, { endpoint: 'ldap', id: relationId });
  return undefined;
}

async function setUser(
  { dn, name, fullName, exists }: Steps['set-user'],
  tools: Tools,
): Promise<Record<string, string>> {
  const password = systemRandom.password(20);
  const userPassword = [hashed(password)];
  const person = { uid: [name], cn: [fullName], sn: [fullName], userPassword };
  const change: LdifChange = exists
    ? replacePassword(dn, userPassword)
    : { dn, add: { objectClass: ['inetOrgPerson'], ...person } };
  await modify(await placesOf(tools), [change]);
  return { name, password, dn };
}

function hashed(password: string): Secret {
  return new Secret(hashOf(password, systemRandom.bytes(SALT_BYTES)));
}

function replacePassword(dn: string, values: readonly Secret[]): LdifChange {
  return { dn, change: [{ how: 'replace', attribute: 'userPassword', values }] };
}

/** Whom slapd runs as; undefined: as ourselves. */
async function serverIds(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { systemUser } = await import('../../../lib/machine/resources.ts');
  const user = systemUser('openldap');
  if (user !== undefined) return { uid: user.uid, gid: user.gid };
  throw new OperatorError({
    code: 'packages-missing',
    message: 'cannot find user openldap, which the package slapd makes',
  });
}

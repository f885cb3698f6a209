/** Reads what this charm decides by: the contract, its files and services. Changes nothing. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import https from 'node:https';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { CA_FIELD, isStillGood } from '../../../lib/charm/own-authority.ts';
import { endingOf } from '../../../lib/charm/workload.ts';
import type { WorkloadTools } from '../../../lib/charm/workload-steps.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { messageOf } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import type { ServerConfig } from './server.ts';
import { type Places, type Relation, SERVICE, type World } from './world.ts';

export type Tools = WorkloadTools;

const ENDPOINT = 's3';
const USER = 'object-store';
const PROBE_MS = 1000;
const RUNSVDIR = ['/usr/bin/runsvdir', '/bin/runsvdir'];

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context, services, root } = tools;
  const ending = endingOf(context, 'data');
  const [isLeader, config, storage, relations] = await Promise.all([
    hooks.isLeader(),
    hooks.configGet(),
    storageOf(tools),
    relationsOf(tools),
  ]);
  const secret = await secretOf(hooks, context.app);
  const wanted = await revisionOf(context.charmDir);
  const places: Places | undefined =
    storage === undefined
      ? undefined
      : {
          root,
          configFile: join(root, 'config.json'),
          objects: join(storage, 'objects'),
          program: join(root, 'program', wanted, 'src', 'server.js'),
        };
  const port = Number(config['port']);
  const [server, network, ports] = await Promise.all([
    serverOf(places, secret?.content[CA_FIELD]),
    hooks.networkGet(ENDPOINT).catch(() => undefined),
    hooks.openedPorts(),
  ]);
  const address = network?.bindAddresses[0]?.addresses[0]?.value;
  return {
    unit: context.unit,
    isLeader,
    address,
    config: { bucket: String(config['bucket']), port },
    places,
    missingPackages: (await anyExists(RUNSVDIR)) ? [] : ['runit'],
    user: process.getuid?.() === 0 ? { name: USER, exists: await userExists(USER) } : undefined,
    secret,
    relations,
    server,
    program: {
      wanted,
      installed: places !== undefined && (await anyExists([places.program])),
      node: nodeFor(context.charmDir, root, wanted),
    },
    services: { [SERVICE]: await services.state(SERVICE) },
    supervised: await services.supervised(),
    failure: await failureOf(join(root, 'log', SERVICE, 'current')),
    openPorts: ports.map((each) => Number.parseInt(each, 10)),
    answers:
      server === undefined || address === undefined
        ? 'nobody'
        : await whoAnswers(address, port, secret?.content[CA_FIELD]),
    ending,
  };
}

async function storageOf({ hooks, context }: Tools): Promise<string | undefined> {
  if (context.name === 'data-storage-detaching') return undefined;
  const [first] = await hooks.storageList('data');
  return first === undefined ? undefined : hooks.storageLocation(first);
}

async function relationsOf({ hooks, context }: Tools): Promise<Relation[]> {
  const ids = await hooks.relationIds(ENDPOINT);
  const broken = context.name === `${ENDPOINT}-relation-broken` ? context.relation?.id : undefined;
  const leader = await hooks.isLeader();
  return Promise.all(
    ids.map(async (id) => ({
      id,
      app: (await hooks.relationApp(ENDPOINT, id)) ?? '',
      ending: id === broken,
      // Only the leader may read its own application's side.
      local: leader ? await hooks.relationGet(ENDPOINT, id, context.app, 'app') : {},
    })),
  );
}

export function secretLabel(app: string): string {
  return `${app}.store`;
}

async function secretOf(hooks: Hooks, app: string): Promise<World['secret']> {
  const label = secretLabel(app);
  const content = await hooks.secretGet({ label }, 'peek');
  if (content === undefined) return undefined;
  return { id: (await hooks.secretInfo({ label }))?.id ?? '', content };
}

async function serverOf(
  places: Places | undefined,
  ca: string | undefined,
): Promise<World['server']> {
  const text = places === undefined ? undefined : await readIfExists(places.configFile);
  if (text === undefined) return undefined;
  const { certificate, privateKey, ...config } = JSON.parse(text) as ServerConfig;
  const { address, port, directory, keys } = config;
  const issued = { certificate, key: privateKey };
  const certified = ca !== undefined && isStillGood(issued, ca, address);
  return { address, port, directory, keys, certified };
}

/** The last thing that the server says of its start, when that is why it did not. */
async function failureOf(log: string): Promise<string | undefined> {
  const lines = ((await readIfExists(log)) ?? '').split('\n');
  const last = lines.findLast((line) => / (INFO serving|ERROR cannot serve: )/.test(line));
  return / ERROR cannot serve: (.*)$/.exec(last ?? '')?.[1];
}

/** One hash over the built program: what the charm carries. */
async function revisionOf(charmDir: string): Promise<string> {
  const hash = createHash('sha256');
  for (const directory of ['src', 'chunks']) {
    const names = await readdir(join(charmDir, directory)).catch(() => []);
    for (const name of names.sort()) {
      if (!name.endsWith('.js')) continue;
      hash.update(name).update(await readFile(join(charmDir, directory, name)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/** A Node that the charm carries is replaced with the charm: the service runs a copy. */
function nodeFor(charmDir: string, root: string, revision: string): string {
  return dirname(dirname(process.execPath)) === charmDir
    ? join(root, 'program', revision, 'bin', 'node')
    : process.execPath;
}

async function anyExists(paths: readonly string[]): Promise<boolean> {
  const found = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

async function userExists(name: string): Promise<boolean> {
  if (userInfo().username === name) return true;
  const passwd = (await readIfExists('/etc/passwd')) ?? '';
  return passwd.split('\n').some((line) => line.startsWith(`${name}:`));
}

/** An anonymous request, which this store answers with 403 behind a certificate of its CA. */
async function whoAnswers(
  address: string,
  port: number,
  ca: string | undefined,
): Promise<World['answers']> {
  return new Promise((resolve) => {
    const request = https.get(
      { host: address, port, path: '/', ca, agent: false, timeout: PROBE_MS },
      (response) => {
        response.resume();
        resolve(response.statusCode === 403 ? 'store' : 'other');
      },
    );
    request.on('timeout', () => request.destroy(new Error('silent')));
    request.on('error', (error) => {
      const silent = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|silent/.test(messageOf(error));
      resolve(silent ? 'nobody' : 'other');
    });
  });
}

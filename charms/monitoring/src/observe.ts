/** Reads what this charm decides by: the contract, its files, its service. Changes nothing. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import type { Services } from '../../../lib/machine/services.ts';
import { readCosAgent } from '../../../lib/relations/cos-agent-reader.ts';
import { messageOf } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import { activeTargets } from './prometheus-api.ts';
import {
  type Files,
  type Places,
  PORT,
  PROGRAM,
  type Refusal,
  SERVICE,
  type Source,
  type World,
} from './world.ts';

export interface Tools {
  readonly hooks: Hooks;
  readonly context: HookContext;
  readonly services: Services;
  /** Where everything of this unit but the samples lies. */
  readonly root: string;
}

const ENDPOINT = 'metrics';
const STORAGE = 'data';
/** The user that Debian's package makes. */
const USER = 'prometheus';
/** How long after being told to run Prometheus may still be on its way. */
const START_MS = 15_000;

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context, services } = tools;
  const [config, places, sources, network, ports, service] = await Promise.all([
    hooks.configGet(),
    placesOf(tools),
    sourcesOf(tools),
    hooks.networkGet(ENDPOINT).catch(() => undefined),
    hooks.openedPorts(),
    services.state(SERVICE),
  ]);
  const address = network?.bindAddresses[0]?.addresses[0]?.value;
  return {
    model: context.model.name,
    address,
    config: {
      scrapeInterval: config['scrape-interval'],
      retentionDays: config['retention-days'],
      retentionSize: config['retention-size'],
    },
    places,
    missingPackages: await missingPackages(),
    user: process.getuid?.() === 0 ? USER : undefined,
    sources,
    files: places === undefined ? NO_FILES : await filesOf(places),
    dataReady: places !== undefined && (await exists(places.data)),
    service,
    health: service?.running ? 'up' : (await startedLately(tools.root)) ? 'starting' : 'down',
    supervised: await services.supervised(),
    portOpen: ports.includes(`${PORT}/tcp`),
    ending: endingOf(context),
    targets: await targetsOf(context, address),
  };
}

function endingOf({ name, storage }: HookContext): World['ending'] {
  if (name === 'remove') return 'remove';
  const detaching = name === `${STORAGE}-storage-detaching` && storage !== undefined;
  return name === 'stop' || detaching ? 'stop' : 'none';
}

async function placesOf({ hooks, context, root }: Tools): Promise<Places | undefined> {
  if (context.name === `${STORAGE}-storage-detaching`) return undefined;
  const [storage] = await hooks.storageList(STORAGE);
  if (storage === undefined) return undefined;
  return {
    root,
    config: join(root, 'prometheus.yml'),
    rules: join(root, 'rules'),
    refused: join(root, 'refused'),
    loaded: join(root, 'loaded'),
    data: join(await hooks.storageLocation(storage), 'prometheus'),
  };
}

async function sourcesOf({ hooks, context }: Tools): Promise<Source[]> {
  const broken = context.name === `${ENDPOINT}-relation-broken` ? context.relation?.id : undefined;
  const ids = (await hooks.relationIds(ENDPOINT)).filter((id) => id !== broken);
  const related = await Promise.all(
    ids.map(async (relationId) => {
      const app = (await hooks.relationApp(ENDPOINT, relationId)) ?? '';
      const units = await hooks.relationList(ENDPOINT, relationId);
      return Promise.all(
        units.map(async (unit) => {
          const reading = readCosAgent(await hooks.relationGet(ENDPOINT, relationId, unit));
          return { relationId, app, unit, reading };
        }),
      );
    }),
  );
  return related.flat();
}

const NO_FILES: Files = { config: undefined, rules: {}, refused: {}, loaded: undefined };

/** What Prometheus reads, and the notes beside it. */
export async function filesOf(places: Places): Promise<Files> {
  const refused = await textsIn(places.refused, /\.yml$/);
  return {
    config: await readIfExists(places.config),
    rules: await textsIn(places.rules, /\.yml$/),
    refused: Object.fromEntries(
      Object.entries(refused).map(([name, text]) => [name, JSON.parse(text) as Refusal]),
    ),
    loaded: await readIfExists(places.loaded),
  };
}

async function textsIn(directory: string, pattern: RegExp): Promise<Record<string, string>> {
  if (!(await exists(directory))) return {};
  const names = (await readdir(directory)).filter((name) => pattern.test(name)).sort();
  const texts = await Promise.all(
    names.map(async (name) => [name, (await readIfExists(join(directory, name))) ?? ''] as const),
  );
  return Object.fromEntries(texts);
}

/** File whose time says when Prometheus was last told to run. */
export function startMark(root: string): string {
  return join(root, 'started');
}

async function startedLately(root: string): Promise<boolean> {
  const mark = await stat(startMark(root)).catch(() => undefined);
  return mark !== undefined && Date.now() - mark.mtimeMs < START_MS;
}

async function targetsOf(
  context: HookContext,
  address: string | undefined,
): Promise<World['targets']> {
  // Only the action shows them, and the answer may be long.
  if (context.action === undefined) return { unknown: 'not asked' };
  if (address === undefined) return { unknown: 'the unit has no address' };
  return activeTargets(address).catch((error: unknown) => ({ unknown: messageOf(error) }));
}

async function missingPackages(): Promise<string[]> {
  const needed = [
    ['prometheus', PROGRAM],
    ['runit', '/usr/bin/runsvdir'],
  ] as const;
  const found = await Promise.all(needed.map(([, path]) => exists(path)));
  return needed.filter((_, index) => !found[index]).map(([name]) => name);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

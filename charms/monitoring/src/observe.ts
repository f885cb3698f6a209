/** Reads what this charm decides by: the contract, its files, its service. Changes nothing. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { endingOf } from '../../../lib/charm/workload.ts';
import type { WorkloadTools } from '../../../lib/charm/workload-steps.ts';
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Services } from '../../../lib/machine/services.ts';
import { readCosAgent } from '../../../lib/relations/cos-agent-reader.ts';
import { messageOf } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import { activeAlerts, activeTargets } from './prometheus-api.ts';
import {
  type Files,
  type Places,
  PROGRAMS,
  type Refusal,
  SERVICES,
  type Source,
  type World,
} from './world.ts';

export type Tools = WorkloadTools;

const ENDPOINT = 'metrics';
const STORAGE = 'data';
/** The user that Debian's package makes. */
const USER = 'prometheus';
/** How long after being told to run Prometheus may still be on its way. */
const START_MS = 15_000;

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context, services } = tools;
  const [config, places, sources, network, ports, running] = await Promise.all([
    hooks.configGet(),
    placesOf(tools),
    sourcesOf(tools),
    hooks.networkGet(ENDPOINT).catch(() => undefined),
    hooks.openedPorts(),
    servicesOf(services),
  ]);
  const address = network?.bindAddresses[0]?.addresses[0]?.value;
  return {
    model: context.model,
    address,
    config: {
      scrapeInterval: config['scrape-interval'],
      retentionDays: config['retention-days'],
      retentionSize: config['retention-size'],
      webhookUrl: config['webhook-url'] ?? '',
    },
    places,
    missingPackages: await missingPackages(),
    user: process.getuid?.() === 0 ? USER : undefined,
    sources,
    files: places === undefined ? NO_FILES : await filesOf(places),
    dataReady:
      places !== undefined &&
      (await exists(places.data)) &&
      (await exists(places.alertmanagerData)),
    services: running,
    health: await healthOf(running, tools.root),
    supervised: await services.supervised(),
    openPorts: ports.map((port) => Number.parseInt(port, 10)),
    ending: endingOf(context, STORAGE),
    targets: await answerOf(context, address, activeTargets),
    alerts: await answerOf(context, address, activeAlerts),
  };
}

async function servicesOf(services: Services): Promise<World['services']> {
  const states = await Promise.all(
    SERVICES.map(async (name) => [name, await services.state(name)] as const),
  );
  return Object.fromEntries(states);
}

async function healthOf(services: World['services'], root: string): Promise<World['health']> {
  if (SERVICES.every((name) => services[name]?.running)) return 'up';
  return (await startedLately(root)) ? 'starting' : 'down';
}

async function placesOf({ hooks, context, root }: Tools): Promise<Places | undefined> {
  if (context.name === `${STORAGE}-storage-detaching`) return undefined;
  const [storage] = await hooks.storageList(STORAGE);
  if (storage === undefined) return undefined;
  const location = await hooks.storageLocation(storage);
  return {
    root,
    config: join(root, 'prometheus.yml'),
    rules: join(root, 'rules'),
    refused: join(root, 'refused'),
    loaded: join(root, 'loaded'),
    data: join(location, 'prometheus'),
    alertmanager: join(root, 'alertmanager.yml'),
    alertmanagerData: join(location, 'alertmanager'),
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

const NO_FILES: Files = {
  config: undefined,
  rules: {},
  refused: {},
  loaded: undefined,
  alertmanager: undefined,
};

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
    alertmanager: await readIfExists(places.alertmanager),
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

async function answerOf<T>(
  context: HookContext,
  address: string | undefined,
  ask: (address: string) => Promise<T>,
): Promise<T | { unknown: string }> {
  // Only actions show it, and the answer may be long.
  if (context.action === undefined) return { unknown: 'not asked' };
  if (address === undefined) return { unknown: 'the unit has no address' };
  return ask(address).catch((error: unknown) => ({ unknown: messageOf(error) }));
}

async function missingPackages(): Promise<string[]> {
  const needed = [
    ['prometheus', PROGRAMS.prometheus],
    ['prometheus-alertmanager', PROGRAMS.alertmanager],
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

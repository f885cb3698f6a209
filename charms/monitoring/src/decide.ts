/**
 * What the monitoring still lacks: Prometheus, its configuration and rules, and that it has read
 * them. Pure. Rules that are refused hold up nothing but themselves.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  type Decision as AnyDecision,
  active,
  blocked,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { prometheusConfig, ruleFiles, targetCount } from './scrape-config.ts';
import { type Config, type Places, PORT, PROGRAM, type Steps, type World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

export function decide(world: World): Decision[] {
  if (world.ending === 'remove') return [step('remove-workload', {}, 'the unit is removed')];
  if (world.ending === 'stop') {
    return world.service?.wantedUp ? [step('stop-service', {}, 'the unit stops')] : [];
  }
  const options = optionsOf(world.config);
  if (!options.ok) return [blocked('option-invalid', options.reason)];
  if (world.address === undefined) return [waiting('no-address', 'waiting for an address')];
  if (world.places === undefined) return [waiting('no-storage', 'waiting for storage data')];
  if (world.missingPackages.length > 0) {
    const packages = [...world.missingPackages];
    return [step('install-packages', { packages }, 'programs are missing')];
  }
  const places = world.places;
  const config = prometheusConfig(world.sources, {
    scrapeIntervalSeconds: options.scrapeInterval,
    model: world.model,
    rules: places.rules,
  });
  const spec = specOf(world, { places, address: world.address, options });
  return [
    ...prepare(world, config),
    ...rules(world),
    ...run(world, spec),
    ...read(world),
    ...say(world, config),
  ];
}

interface Options {
  scrapeInterval: number;
  retentionDays: number;
  retentionSize: number;
}

function optionsOf(config: Config): ({ ok: true } & Options) | { ok: false; reason: string } {
  const ranges = [
    ['scrape-interval', config.scrapeInterval, 1, 3600],
    ['retention-days', config.retentionDays, 1, 3650],
    ['retention-size', config.retentionSize, 64, 1_048_576],
  ] as const;
  for (const [option, value, min, max] of ranges) {
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min;
    if (fits && value <= max) continue;
    return {
      ok: false,
      reason: `option ${option}: ${value} is not an integer from ${min} to ${max}`,
    };
  }
  const [scrapeInterval, retentionDays, retentionSize] = ranges.map(([, value]) => Number(value));
  return {
    ok: true,
    scrapeInterval: scrapeInterval ?? 0,
    retentionDays: retentionDays ?? 0,
    retentionSize: retentionSize ?? 0,
  };
}

function prepare({ files, dataReady }: World, config: string): Decision[] {
  return [
    ...(dataReady ? [] : [step('prepare-places', {}, 'directories are missing')]),
    ...(files.config === config
      ? []
      : [step('write-config', { text: config }, 'the targets or options changed')]),
  ];
}

function rules({ files, sources }: World): Decision[] {
  const wanted = ruleFiles(sources);
  const decisions: Decision[] = [];
  for (const [name, text] of Object.entries(wanted)) {
    const refusal = files.refused[name];
    if (refusal?.digest === digest(text)) {
      decisions.push(
        blocked('rules-refused', `alert rules ${name} are refused: ${refusal.reason}`),
      );
    } else if (files.rules[name] !== text || refusal !== undefined) {
      const args = { name, text, digest: digest(text) };
      decisions.push(step('write-rules', args, 'the rules changed'));
    }
  }
  const present = new Set([...Object.keys(files.rules), ...Object.keys(files.refused)]);
  for (const name of present) {
    if (wanted[name] !== undefined) continue;
    decisions.push(step('remove-rules', { name }, 'nobody offers these rules any more'));
  }
  return decisions;
}

interface Placed {
  places: Places;
  address: string;
  options: Options;
}

function specOf({ user }: World, { places, address, options }: Placed): ServiceSpec {
  return {
    command: [
      PROGRAM,
      `--config.file=${places.config}`,
      `--storage.tsdb.path=${places.data}`,
      `--storage.tsdb.retention.time=${options.retentionDays}d`,
      `--storage.tsdb.retention.size=${options.retentionSize}MB`,
      `--web.listen-address=${hostPort(address, PORT)}`,
      '--log.level=warn',
    ],
    ...(user === undefined ? {} : { user }),
    env: {},
    requires: places.config,
  };
}

function run({ service, supervised, portOpen }: World, spec: ServiceSpec): Decision[] {
  return [
    ...(isDeepStrictEqual(service?.spec, spec)
      ? []
      : [step('define-service', { spec }, 'the service is to run like this')]),
    ...(supervised ? [] : [step('start-supervisor', {}, 'no supervisor runs')]),
    ...(service?.wantedUp ? [] : [step('start-service', {}, 'Prometheus is to run')]),
    ...(portOpen ? [] : [step('open-port', { port: PORT }, 'people look at it from elsewhere')]),
  ];
}

/** What was written and not read yet: also when a hook died between the two. */
function read({ files }: World): Decision[] {
  const now = digestOf(files);
  if (files.config === undefined || files.loaded === now) return [];
  return [step('reload', {}, 'Prometheus has not read its files as they are')];
}

/** Of everything that Prometheus reads. */
export function digestOf(files: World['files']): string {
  return digest(JSON.stringify([files.config, Object.entries(files.rules).sort()]));
}

function say(world: World, config: string): Decision[] {
  const bad = world.sources.flatMap(({ unit, reading }) =>
    reading !== undefined && !reading.ok
      ? [blocked('offer-unusable', `${unit} ${reading.reason}`)]
      : [],
  );
  if (bad.length > 0) return bad;
  if (world.service !== undefined && world.health === 'down') {
    return [maintenance('prometheus-down', 'Prometheus ends again and again: see its log')];
  }
  const count = targetCount(config);
  if (count === 0) return [active('no-targets', 'nothing to scrape: integrate an application')];
  return [active('scraping', `scraping ${count} ${count === 1 ? 'target' : 'targets'}`)];
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

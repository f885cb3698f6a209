/**
 * What the monitoring still lacks: Prometheus with Alertmanager, their configuration and rules, and
 * that they have read them. Pure. Rules that are refused hold up nothing but themselves.
 */
import {
  type Decision as AnyDecision,
  active,
  blocked,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { farewell, runWorkload } from '../../../lib/charm/workload.ts';
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { alertmanagerConfig } from './alertmanager-config.ts';
import { prometheusConfig, ruleFiles, targetCount } from './scrape-config.ts';
import {
  type Config,
  type Places,
  PORTS,
  PROGRAMS,
  SERVICES,
  type Steps,
  urlOf,
  type World,
} from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

export function decide(world: World): Decision[] {
  const last = farewell(world.ending, world.services);
  if (last !== undefined) return last;
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
    alertmanager: hostPort(world.address, PORTS.alertmanager),
  });
  const alerting = alertmanagerConfig(options.webhookUrl);
  const placed = { places, address: world.address, options, user: world.user };
  const specs = { prometheus: prometheus(placed), alertmanager: alertmanager(placed, alerting) };
  return [
    ...prepare(world, config, alerting),
    ...rules(world),
    ...runWorkload(world, specs, Object.values(PORTS)),
    ...read(world),
    ...say(world, config),
  ];
}

interface Options {
  scrapeInterval: number;
  retentionDays: number;
  retentionSize: number;
  /** Empty: nobody is told. */
  webhookUrl: string;
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
  const webhookUrl = String(config.webhookUrl);
  if (webhookUrl !== '' && !/^https?:$/.test(URL.parse(webhookUrl)?.protocol ?? '')) {
    // It may hold a key, so it is not repeated.
    return { ok: false, reason: 'option webhook-url: not a URL that begins with http' };
  }
  const [scrapeInterval, retentionDays, retentionSize] = ranges.map(([, value]) => Number(value));
  return {
    ok: true,
    scrapeInterval: scrapeInterval ?? 0,
    retentionDays: retentionDays ?? 0,
    retentionSize: retentionSize ?? 0,
    webhookUrl,
  };
}

function prepare({ files, dataReady }: World, config: string, alerting: string): Decision[] {
  return [
    ...(dataReady ? [] : [step('prepare-places', {}, 'directories are missing')]),
    ...(files.config === config
      ? []
      : [step('write-config', { text: config }, 'the targets or options changed')]),
    ...(files.alertmanager === alerting
      ? []
      : [
          step(
            'write-alertmanager',
            { text: new Secret(alerting), digest: digestOf(alerting) },
            'whom to tell has changed',
          ),
        ]),
  ];
}

function rules({ files, sources }: World): Decision[] {
  const wanted = ruleFiles(sources);
  const decisions: Decision[] = [];
  for (const [name, text] of Object.entries(wanted)) {
    const refusal = files.refused[name];
    if (refusal?.digest === digestOf(text)) {
      decisions.push(
        blocked('rules-refused', `alert rules ${name} are refused: ${refusal.reason}`),
      );
    } else if (files.rules[name] !== text || refusal !== undefined) {
      const args = { name, text, digest: digestOf(text) };
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
  user: string | undefined;
}

function prometheus({ places, address, options, user }: Placed): ServiceSpec {
  return {
    command: [
      PROGRAMS.prometheus,
      `--config.file=${places.config}`,
      `--storage.tsdb.path=${places.data}`,
      `--storage.tsdb.retention.time=${options.retentionDays}d`,
      `--storage.tsdb.retention.size=${options.retentionSize}MB`,
      `--web.listen-address=${hostPort(address, PORTS.prometheus)}`,
      '--log.level=warn',
    ],
    ...(user === undefined ? {} : { user }),
    env: {},
    requires: places.config,
  };
}

function alertmanager({ places, address, user }: Placed, config: string): ServiceSpec {
  const at = hostPort(address, PORTS.alertmanager);
  return {
    command: [
      PROGRAMS.alertmanager,
      `--config.file=${places.alertmanager}`,
      `--storage.path=${places.alertmanagerData}`,
      `--web.listen-address=${at}`,
      `--web.external-url=http://${at}`,
      // One of them: no gossip with others.
      '--cluster.listen-address=',
      '--log.level=warn',
    ],
    ...(user === undefined ? {} : { user }),
    // Another configuration is another service: it starts anew and keeps what it knows on disk.
    env: { CONFIG: digestOf(config) },
    requires: places.alertmanager,
  };
}

/** What was written and not read yet: also when a hook died between the two. */
function read({ files }: World): Decision[] {
  const now = filesDigest(files);
  if (files.config === undefined || files.loaded === now) return [];
  return [step('reload', {}, 'Prometheus has not read its files as they are')];
}

/** Of everything that Prometheus reads. */
export function filesDigest(files: World['files']): string {
  return digestOf(JSON.stringify([files.config, Object.entries(files.rules).sort()]));
}

function say(world: World, config: string): Decision[] {
  const bad = world.sources.flatMap(({ unit, reading }) =>
    reading !== undefined && !reading.ok
      ? [blocked('offer-unusable', `${unit} ${reading.reason}`)]
      : [],
  );
  if (bad.length > 0) return bad;
  const down = SERVICES.filter((name) => world.services[name]?.running === false);
  if (down.length > 0 && world.health === 'down') {
    const names = down.join(' and ');
    return [maintenance('monitoring-down', `${names} ends again and again: see its log`)];
  }
  const count = targetCount(config);
  if (count === 0) return [active('no-targets', 'nothing to scrape: integrate an application')];
  const what = `scraping ${count} ${count === 1 ? 'target' : 'targets'}`;
  return [active('scraping', `${what}; see ${urlOf('prometheus', world.address ?? '')}`)];
}

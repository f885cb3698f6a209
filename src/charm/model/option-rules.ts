/**
 * What options may hold together, and on this machine: every rule names the one option to change.
 * A configuration passes all of them or nothing of it is applied.
 */
import type { Limits, RawValue } from './option-values.ts';
import {
  type Options,
  type ParsedOptions,
  parseOptions,
  type RawOptions,
  type RefusedOption,
  usableMemory,
} from './options.ts';
import { sizesOf } from './parameters.ts';
import { PLUGINS, pluginOption } from './plugins.ts';
import type { MachineFacts, NamedThings } from './snapshot.ts';

/** Above this share of memory PostgreSQL and the kernel's cache only displace each other. */
const SHARED_BUFFERS_LIMIT = 0.4;
/** What the tables of locks and sessions may take of memory before anything is cached. */
const TABLES_LIMIT = 0.1;
/** PostgreSQL's estimates: LockMethodLockHash with its PROCLOCK, and a session's fixed part. */
const LOCK_BYTES = 400;
const SESSION_BYTES = 8192;

/** What a unit's machine allows. */
export function limitsOf(machine: MachineFacts, named: NamedThings): Limits {
  return {
    memoryBytes: machine.memoryBytes,
    cpus: machine.cpus,
    postgres: machine.packages.postgres?.major,
    has: (what, name) => named[what].includes(name),
  };
}

/** Options that are valid each by itself and together, or the first that is refused. */
export function readOptions(raw: RawOptions, limits: Limits): ParsedOptions {
  const parsed = parseOptions(raw, limits);
  if (!parsed.ok) return parsed;
  for (const rule of RULES) {
    const refused = rule({ options: parsed.options, raw, limits });
    if (refused !== undefined) return refused;
  }
  return parsed;
}

interface Case {
  options: Options;
  raw: RawOptions;
  limits: Limits;
}
type Rule = (given: Case) => RefusedOption | undefined;

const sharedBuffers: Rule = ({ options, raw, limits }) => {
  const blocks = raw['memory-shared-buffers'];
  if (blocks === undefined) return undefined;
  const usable = usableMemory(limits.memoryBytes, options);
  const most = Math.floor((usable * SHARED_BUFFERS_LIMIT) / 8192);
  if (Number(blocks) <= most) return undefined;
  const allowed = `at most ${most} blocks of 8 KiB, 40% of the unit's memory`;
  return refuse('memory-shared-buffers', blocks, allowed);
};

/** PostgreSQL would quietly use fewer. */
const workerPool: Rule = ({ options, raw, limits }) => {
  const { cluster } = sizesOf(machineOf(limits), options);
  const most = Number(cluster['max_worker_processes']);
  for (const option of [
    'cpu-max-parallel-workers',
    'cpu-max-parallel-maintenance-workers',
    'cpu-max-logical-replication-workers',
    'cpu-max-sync-workers-per-subscription',
    'cpu-max-parallel-apply-workers-per-subscription',
    'cpu-max-parallel-workers-per-gather',
  ]) {
    const value = raw[option];
    if (value === undefined || value === 'auto' || Number(value) <= most) continue;
    return refuse(option, value, `at most ${most}, the value of cpu-max-worker-processes`);
  }
  return undefined;
};

const walSizes: Rule = ({ options, raw, limits }) => {
  const { local } = sizesOf(machineOf(limits), options);
  const [least, most] = [Number.parseInt(String(local['min_wal_size']), 10), maxWal(local)];
  if (least <= most) return undefined;
  const lower = raw['durability-max-wal-size'];
  if (lower !== undefined) {
    return refuse('durability-max-wal-size', lower, `at least ${least}, durability-min-wal-size`);
  }
  const upper = raw['durability-min-wal-size'] ?? least;
  return refuse('durability-min-wal-size', upper, `at most ${most}, durability-max-wal-size`);
};

const trackFunctions: Rule = ({ raw }) => {
  const [here, there] = [raw['logging-track-functions'], raw['optimizer-track-functions']];
  if (here === undefined || there === undefined || here === there) return undefined;
  return refuse('logging-track-functions', here, `${there}, as optimizer-track-functions says`);
};

/** PostgreSQL takes this memory when it starts, and does not start where it gets none. */
const sharedTables: Rule = ({ options, raw, limits }) => {
  const usable = usableMemory(limits.memoryBytes, options);
  const { cluster, local } = sizesOf(machineOf(limits), options);
  const sessions =
    Number(cluster['max_connections']) + Number(cluster['max_prepared_transactions']);
  const text = Number(local['track_activity_query_size'] ?? 1024);
  const locks = Number(cluster['max_locks_per_transaction']);
  const bytes = sessions * (locks * LOCK_BYTES + text + SESSION_BYTES);
  if (bytes <= usable * TABLES_LIMIT) return undefined;
  const guilty = [
    'instance-max-locks-per-transaction',
    'experimental-max-connections',
    'memory-max-prepared-transactions',
    'request-track-activity-query-size',
  ].filter((option) => raw[option] !== undefined);
  // With nothing set the machine is too small for PostgreSQL's own values, which is no option's.
  const [option] = guilty;
  if (option === undefined) return undefined;
  const needs = `${Math.ceil(bytes / 1024 ** 2)} MiB for ${sessions} sessions`;
  const have = `${Math.floor((usable * TABLES_LIMIT) / 1024 ** 2)} MiB`;
  const allowed = `small enough: locks and sessions would take ${needs}, and may take ${have}`;
  return refuse(option, raw[option] ?? '', allowed);
};

/** Otherwise a primary that was taken for dead could acknowledge rows that nobody else has. */
const strictFence: Rule = ({ options, raw }) => {
  const command = raw['fence-command'];
  if (command === undefined || options.synchronousModeStrict) return undefined;
  return refuse('fence-command', command, 'allowed with synchronous-mode-strict=true only');
};

const pluginNeeds: Rule = ({ options }) => {
  for (const name of options.plugins) {
    const lacking = (PLUGINS[name]?.needs ?? []).filter((need) => !options.plugins.includes(need));
    if (lacking.length === 0) continue;
    const wanted = lacking.map(pluginOption).join(' and ');
    return refuse(pluginOption(name), true, `allowed without ${wanted}`);
  }
  return undefined;
};

const RULES: readonly Rule[] = [
  sharedBuffers,
  workerPool,
  walSizes,
  trackFunctions,
  sharedTables,
  strictFence,
  pluginNeeds,
];

function machineOf({ cpus, memoryBytes }: Limits): { cpus: number; memoryBytes: number } {
  return { cpus, memoryBytes };
}

function maxWal(local: Readonly<Record<string, string | number>>): number {
  return Number.parseInt(String(local['max_wal_size']), 10);
}

function refuse(option: string, value: RawValue, allowed: string): RefusedOption {
  return { ok: false, option, value: String(value), allowed };
}

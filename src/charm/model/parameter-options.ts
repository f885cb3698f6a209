/**
 * Options that each set one parameter of PostgreSQL: what they may hold, what is in force while
 * they are unset, and which releases of PostgreSQL know the parameter. Ranges are PostgreSQL's own
 * (`pg_settings`), narrower where it would accept a value that it cannot start with.
 *
 * An option is called after its concern and the parameter: `memory-work-mem` sets `work_mem`.
 */

import { boolean, choice, integer, number, type ValueKind, workers } from './option-values.ts';
import { QUERY_OPTIONS } from './query-options.ts';

export interface ParameterOption {
  readonly value: ValueKind;
  /** Undefined: the option's name without its first word. */
  readonly parameter?: string;
  /** In force while unset, as the option takes it; undefined: the profile's or PostgreSQL's own. */
  readonly unset?: string | number | boolean;
  /** Equal on every member by Patroni's rule: it goes through the shared configuration. */
  readonly shared?: true;
  /** First and last major version that know the parameter. */
  readonly from?: number;
  readonly until?: number;
}

/** What a word of the option's name is for; the rest names the parameter. */
const CONCERN = new RegExp(
  `^(?:${[
    ...['connection', 'cpu', 'durability', 'instance', 'logging', 'memory', 'optimizer'],
    ...['request', 'response', 'session', 'storage', 'vacuum'],
  ].join('|')})-`,
);

/** PostgreSQL's name of the parameter that an option sets. */
export function parameterOf(option: string, { parameter }: ParameterOption): string {
  return parameter ?? option.replace(CONCERN, '').replaceAll('-', '_');
}

const LEVELS = [
  ...['debug5', 'debug4', 'debug3', 'debug2', 'debug1'],
  ...['log', 'notice', 'warning', 'error'],
];

const connection: Record<string, ParameterOption> = {
  'connection-authentication-timeout': { value: integer(1, 600, 's'), unset: 60 },
  'connection-statement-timeout': { value: integer(0, undefined, 'ms'), unset: 0 },
  'connection-tcp-keepalives-idle': { value: integer(0, undefined, 's') },
  'connection-tcp-keepalives-interval': { value: integer(0, undefined, 's') },
  'connection-tcp-keepalives-count': { value: integer(0) },
  'connection-tcp-user-timeout': { value: integer(0, undefined, 'ms') },
};

const cpu: Record<string, ParameterOption> = {
  'cpu-max-worker-processes': { value: workers, shared: true },
  'cpu-max-parallel-workers': { value: workers },
  'cpu-max-parallel-maintenance-workers': { value: workers },
  'cpu-max-parallel-workers-per-gather': { value: integer(0, 1024) },
  'cpu-max-logical-replication-workers': { value: workers },
  'cpu-max-sync-workers-per-subscription': { value: workers },
  'cpu-max-parallel-apply-workers-per-subscription': { value: workers, from: 16 },
  'cpu-parallel-leader-participation': { value: boolean, unset: true },
  'cpu-wal-compression': { value: boolean, unset: true },
};

const durability: Record<string, ParameterOption> = {
  'durability-synchronous-commit': { value: choice('on', 'remote_apply', 'remote_write') },
  // Below 16 MB Patroni would quietly take its own value.
  'durability-wal-keep-size': { value: integer(16, undefined, 'MB'), unset: 512, shared: true },
  // PostgreSQL does not start with less than two segments.
  'durability-max-wal-size': { value: integer(32, undefined, 'MB') },
  'durability-min-wal-size': { value: integer(32, undefined, 'MB') },
  'durability-checkpoint-timeout': { value: integer(30, 86_400, 's') },
  'durability-checkpoint-completion-target': { value: number(0, 1) },
  'durability-archive-timeout': { value: integer(0, 1_073_741_823, 's') },
  'durability-max-slot-wal-keep-size': { value: integer(-1, undefined, 'MB') },
};

/** What every installation of PostgreSQL brings along. */
const SEARCH = [
  ...['simple', 'arabic', 'armenian', 'basque', 'catalan', 'danish', 'dutch', 'english'],
  ...['finnish', 'french', 'german', 'greek', 'hindi', 'hungarian', 'indonesian', 'irish'],
  ...['italian', 'lithuanian', 'nepali', 'norwegian', 'portuguese', 'romanian', 'russian'],
  ...['serbian', 'spanish', 'swedish', 'tamil', 'turkish', 'yiddish'],
].map((name) => `pg_catalog.${name}`);

const instance: Record<string, ParameterOption> = {
  'instance-default-text-search-config': {
    value: choice(...SEARCH),
    unset: 'pg_catalog.simple',
  },
  'instance-max-locks-per-transaction': { value: integer(64), unset: 64, shared: true },
  // md5 hashes can be used as they are, and PostgreSQL is about to drop them.
  'instance-password-encryption': { value: choice('scram-sha-256'), unset: 'scram-sha-256' },
  'instance-synchronize-seqscans': { value: boolean },
};

const logging: Record<string, ParameterOption> = {
  'logging-client-min-messages': { value: choice(...LEVELS) },
  'logging-log-connections': { value: boolean, unset: true },
  'logging-log-disconnections': { value: boolean, unset: true },
  'logging-log-lock-waits': { value: boolean, unset: true },
  'logging-log-min-duration-statement': { value: integer(-1, undefined, 'ms') },
  'logging-log-autovacuum-min-duration': { value: integer(-1, undefined, 'ms'), unset: 60_000 },
  'logging-log-temp-files': { value: integer(-1, undefined, 'kB'), unset: 1024 },
  'logging-track-functions': { value: choice('none', 'pl', 'all') },
};

const memory: Record<string, ParameterOption> = {
  'memory-autovacuum-work-mem': { value: integer(-1, undefined, 'kB') },
  'memory-effective-cache-size': { value: integer(1, undefined, '8kB') },
  'memory-hash-mem-multiplier': { value: number(1, 1000) },
  // With "on" PostgreSQL does not start where the machine has none.
  'memory-huge-pages': { value: choice('try', 'off') },
  'memory-logical-decoding-work-mem': { value: integer(64, undefined, 'kB') },
  'memory-maintenance-work-mem': { value: integer(1024, undefined, 'kB') },
  'memory-max-prepared-transactions': { value: integer(0, 262_143), unset: 0, shared: true },
  'memory-shared-buffers': { value: integer(16, 1_073_741_823, '8kB') },
  'memory-temp-buffers': { value: integer(100, 1_073_741_823, '8kB') },
  'memory-work-mem': { value: integer(64, undefined, 'kB') },
};

const vacuum: Record<string, ParameterOption> = {
  'vacuum-autovacuum-analyze-scale-factor': { value: number(0, 100) },
  'vacuum-autovacuum-analyze-threshold': { value: integer(0) },
  'vacuum-autovacuum-freeze-max-age': { value: integer(100_000, 2_000_000_000) },
  'vacuum-autovacuum-max-workers': { value: integer(1, 64) },
  'vacuum-autovacuum-naptime': { value: integer(1, 2_147_483, 's') },
  'vacuum-autovacuum-vacuum-cost-delay': { value: number(-1, 100) },
  'vacuum-autovacuum-vacuum-cost-limit': { value: integer(-1, 10_000) },
  'vacuum-autovacuum-vacuum-insert-scale-factor': { value: number(0, 100) },
  'vacuum-autovacuum-vacuum-insert-threshold': { value: integer(-1) },
  'vacuum-autovacuum-vacuum-scale-factor': { value: number(0, 100) },
  'vacuum-autovacuum-vacuum-threshold': { value: integer(0) },
  'vacuum-vacuum-cost-delay': { value: number(0, 100) },
  'vacuum-vacuum-cost-limit': { value: integer(1, 10_000) },
  'vacuum-vacuum-cost-page-dirty': { value: integer(0, 10_000) },
  'vacuum-vacuum-cost-page-hit': { value: integer(0, 10_000) },
  'vacuum-vacuum-cost-page-miss': { value: integer(0, 10_000) },
  'vacuum-vacuum-failsafe-age': { value: integer(0, 2_100_000_000), from: 14 },
  'vacuum-vacuum-freeze-min-age': { value: integer(0, 1_000_000_000) },
  'vacuum-vacuum-freeze-table-age': { value: integer(0, 2_000_000_000) },
  'vacuum-vacuum-multixact-failsafe-age': { value: integer(0, 2_100_000_000), from: 14 },
  'vacuum-vacuum-multixact-freeze-min-age': { value: integer(0, 1_000_000_000) },
  'vacuum-vacuum-multixact-freeze-table-age': { value: integer(0, 2_000_000_000) },
};

/** By name of the option. */
export const PARAMETER_OPTIONS: Readonly<Record<string, ParameterOption>> = {
  ...connection,
  ...cpu,
  ...durability,
  ...instance,
  ...logging,
  ...memory,
  ...QUERY_OPTIONS,
  ...vacuum,
};

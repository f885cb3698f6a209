/**
 * Options on how statements are planned, read and answered, and on tables: the part of
 * `parameter-options.ts` that most installations never touch.
 */
import { boolean, choice, integer, number, type ValueKind } from './option-values.ts';

/** As in parameter-options.ts, which joins both. */
export interface QueryOption {
  readonly value: ValueKind;
  readonly parameter?: string;
  readonly unset?: string | number | boolean;
  readonly from?: number;
  readonly until?: number;
}

/** Methods of the planner that can be switched off, or on, one by one. */
const METHODS = [
  ...['bitmapscan', 'gathermerge', 'hashagg', 'hashjoin', 'incremental-sort', 'indexonlyscan'],
  ...['indexscan', 'material', 'mergejoin', 'nestloop', 'parallel-append', 'parallel-hash'],
  ...['partition-pruning', 'partitionwise-aggregate', 'partitionwise-join', 'seqscan', 'sort'],
  'tidscan',
];

const optimizer: Record<string, QueryOption> = {
  ...Object.fromEntries(METHODS.map((name) => [`optimizer-enable-${name}`, { value: boolean }])),
  'optimizer-enable-async-append': { value: boolean, from: 14 },
  'optimizer-enable-memoize': { value: boolean, from: 14 },
  'optimizer-constraint-exclusion': { value: choice('on', 'off', 'partition') },
  'optimizer-cpu-index-tuple-cost': { value: number(0) },
  'optimizer-cpu-operator-cost': { value: number(0) },
  'optimizer-cpu-tuple-cost': { value: number(0) },
  'optimizer-cursor-tuple-fraction': { value: number(0, 1) },
  'optimizer-default-statistics-target': { value: integer(1, 10_000) },
  'optimizer-from-collapse-limit': { value: integer(1) },
  'optimizer-join-collapse-limit': { value: integer(1) },
  'optimizer-geqo': { value: boolean },
  'optimizer-geqo-effort': { value: integer(1, 10) },
  'optimizer-geqo-generations': { value: integer(0) },
  'optimizer-geqo-pool-size': { value: integer(0) },
  'optimizer-geqo-seed': { value: number(0, 1) },
  'optimizer-geqo-selection-bias': { value: number(1.5, 2) },
  'optimizer-geqo-threshold': { value: integer(2) },
  'optimizer-jit': { value: boolean },
  'optimizer-jit-above-cost': { value: number(-1) },
  'optimizer-jit-inline-above-cost': { value: number(-1) },
  'optimizer-jit-optimize-above-cost': { value: number(-1) },
  'optimizer-min-parallel-index-scan-size': { value: integer(0, 715_827_882, '8kB') },
  'optimizer-min-parallel-table-scan-size': { value: integer(0, 715_827_882, '8kB') },
  'optimizer-parallel-setup-cost': { value: number(0) },
  'optimizer-parallel-tuple-cost': { value: number(0) },
  'optimizer-random-page-cost': { value: number(0) },
  'optimizer-seq-page-cost': { value: number(0) },
  'optimizer-pg-stat-statements-track': {
    parameter: 'pg_stat_statements.track',
    value: choice('none', 'top', 'all'),
  },
  'optimizer-pg-stat-statements-track-utility': {
    parameter: 'pg_stat_statements.track_utility',
    value: boolean,
  },
  'optimizer-pg-stat-statements-save': {
    parameter: 'pg_stat_statements.save',
    value: boolean,
    unset: false,
  },
  'optimizer-track-io-timing': { value: boolean },
  'optimizer-track-wal-io-timing': { value: boolean, from: 14 },
  'optimizer-track-functions': { value: choice('none', 'pl', 'all') },
};

const request: Record<string, QueryOption> = {
  'request-array-nulls': { value: boolean },
  'request-backslash-quote': { value: choice('safe_encoding', 'on', 'off') },
  'request-date-style': { parameter: 'DateStyle', value: { kind: 'date-style' } },
  'request-deadlock-timeout': { value: integer(1, undefined, 'ms') },
  'request-default-transaction-deferrable': { value: boolean },
  'request-default-transaction-isolation': {
    value: choice('serializable', 'repeatable read', 'read committed', 'read uncommitted'),
  },
  'request-default-transaction-read-only': { value: boolean },
  'request-escape-string-warning': { value: boolean },
  'request-standard-conforming-strings': { value: boolean },
  'request-transform-null-equals': { value: boolean },
  'request-lock-timeout': { value: integer(0, undefined, 'ms') },
  'request-time-zone': { parameter: 'timezone', value: { kind: 'time-zone' }, unset: 'UTC' },
  'request-track-activity-query-size': { value: integer(100, 1_048_576, 'B') },
  'request-xmlbinary': { value: choice('base64', 'hex') },
  'request-xmloption': { value: choice('content', 'document') },
};

const response: Record<string, QueryOption> = {
  'response-bytea-output': { value: choice('escape', 'hex') },
  'response-exit-on-error': { value: boolean },
  'response-extra-float-digits': { value: integer(-15, 3) },
  'response-gin-fuzzy-search-limit': { value: integer(0) },
  'response-lc-monetary': { value: { kind: 'locale' }, unset: 'C' },
  'response-lc-numeric': { value: { kind: 'locale' }, unset: 'C' },
  'response-lc-time': { value: { kind: 'locale' }, unset: 'C' },
};

const session: Record<string, QueryOption> = {
  'session-idle-in-transaction-session-timeout': { value: integer(0, undefined, 'ms') },
  'session-idle-session-timeout': { value: integer(0, undefined, 'ms'), from: 14 },
  'session-transaction-timeout': { value: integer(0, undefined, 'ms'), from: 17 },
};

const storage: Record<string, QueryOption> = {
  'storage-bgwriter-lru-maxpages': { value: integer(0, 1_073_741_823) },
  'storage-bgwriter-lru-multiplier': { value: number(0, 10) },
  // No other is built in, and no package of the archive that the charm installs brings one.
  'storage-default-table-access-method': { value: choice('heap') },
  'storage-effective-io-concurrency': { value: integer(0, 1000) },
  'storage-gin-pending-list-limit': { value: integer(64, undefined, 'kB') },
  'storage-hot-standby-feedback': { value: boolean },
  'storage-old-snapshot-threshold': { value: integer(-1, 86_400, 'min'), until: 16 },
};

export const QUERY_OPTIONS: Readonly<Record<string, QueryOption>> = {
  ...optimizer,
  ...request,
  ...response,
  ...session,
  ...storage,
};

/**
 * The charm's options: what each may hold, and the one typed value the deciders work with.
 *
 * Nothing is ever corrected or clamped in silence. A value outside its range refuses the whole
 * configuration, naming the option, the value and what is allowed, so that nothing half-valid is
 * applied. An option without a value leaves its setting to `parameters.ts`.
 */
export type Profile = 'production' | 'testing';
export type FailoverProfile = 'fast' | 'balanced' | 'safe';
export type PoolerMode = 'session' | 'transaction';

export interface Options {
  profile: Profile;
  /** Most memory to plan with, in MiB; undefined: all that the machine gives. */
  profileLimitMemoryMib: number | undefined;
  /** How many replicas confirm a commit; `all` and `majority` follow the number of units. */
  synchronousNodeCount: 'all' | 'majority' | number;
  synchronousModeStrict: boolean;
  poolerMode: PoolerMode;
  /** How long, and how many at one pooler, clients wait for a new primary; undefined: any number. */
  failoverWait: { seconds: number; clients: number | undefined };
  maxConnections: number | undefined;
  failoverProfile: FailoverProfile;
  /** PostgreSQL parameters that were set, by their own names, in the unit each parameter has. */
  parameters: Readonly<Record<string, number>>;
}

export interface RefusedOption {
  ok: false;
  option: string;
  /** As it was given. */
  value: string;
  /** What the option takes, as a phrase: `an integer from 1 to 600`. */
  allowed: string;
}
export type ParsedOptions = { ok: true; options: Options } | RefusedOption;

type Raw = Readonly<Record<string, string | number | boolean>>;

const INT_MAX = 2_147_483_647;

/** Options that set a PostgreSQL parameter: its name and its range, in the parameter's unit. */
export const PARAMETER_OPTIONS: Readonly<
  Record<string, { parameter: string; min: number; max: number }>
> = {
  'connection-authentication-timeout': { parameter: 'authentication_timeout', min: 1, max: 600 },
  'connection-statement-timeout': { parameter: 'statement_timeout', min: 0, max: INT_MAX },
  'memory-maintenance-work-mem': { parameter: 'maintenance_work_mem', min: 1024, max: INT_MAX },
  'memory-max-prepared-transactions': {
    parameter: 'max_prepared_transactions',
    min: 0,
    max: 262_143,
  },
  'memory-shared-buffers': { parameter: 'shared_buffers', min: 16, max: 1_073_741_823 },
  'memory-temp-buffers': { parameter: 'temp_buffers', min: 100, max: 1_073_741_823 },
  'memory-work-mem': { parameter: 'work_mem', min: 64, max: INT_MAX },
};

/** PostgreSQL counts buffers in blocks. */
export const BLOCK_BYTES = 8192;
/** Above this share of memory PostgreSQL and the kernel's cache only displace each other. */
export const SHARED_BUFFERS_LIMIT = 0.4;

/**
 * @param raw values as `config-get` gives them; an option that is absent has no value
 * @param memoryBytes what the machine gives; bounds `memory-shared-buffers` (default: no bound)
 */
export function parseOptions(raw: Raw, memoryBytes = Number.POSITIVE_INFINITY): ParsedOptions {
  const reader = new OptionReader(raw);
  const options: Options = {
    profile: reader.choice('profile', ['production', 'testing'], 'production'),
    profileLimitMemoryMib: reader.integer('profile-limit-memory', 128, 9_999_999),
    synchronousNodeCount: reader.nodeCount('synchronous-node-count'),
    synchronousModeStrict: reader.boolean('synchronous-mode-strict', true),
    poolerMode: reader.choice('pooler-mode', ['session', 'transaction'], 'session'),
    // PgBouncer itself drops a login that has waited for 60 s.
    failoverWait: {
      seconds: reader.integer('failover-wait-seconds', 0, 55) ?? 30,
      clients: reader.integer('failover-wait-clients', 1, 1_000_000),
    },
    // PostgreSQL's own ceiling is far higher; its wal senders and reserved slots need a floor.
    maxConnections: reader.integer('experimental-max-connections', 20, 262_143),
    failoverProfile: reader.choice('failover-profile', ['fast', 'balanced', 'safe'], 'balanced'),
    parameters: reader.parameters(),
  };
  const refused = reader.refused ?? tooManyBuffers(options, memoryBytes);
  return refused ?? { ok: true, options };
}

function tooManyBuffers(options: Options, memoryBytes: number): RefusedOption | undefined {
  const blocks = options.parameters['shared_buffers'];
  if (blocks === undefined) return undefined;
  const usable = usableMemory(memoryBytes, options);
  const most = Math.floor((usable * SHARED_BUFFERS_LIMIT) / BLOCK_BYTES);
  if (blocks <= most) return undefined;
  const allowed = `at most ${most} blocks of 8 KiB, 40% of the unit's memory`;
  return { ok: false, option: 'memory-shared-buffers', value: String(blocks), allowed };
}

/** Bytes to plan with: what the machine gives, or `profile-limit-memory` where that is less. */
export function usableMemory(memoryBytes: number, options: Options): number {
  const limit = options.profileLimitMemoryMib;
  return limit === undefined ? memoryBytes : Math.min(memoryBytes, limit * 1024 * 1024);
}

/** Reads one option after the other and keeps the first that is refused. */
class OptionReader {
  readonly #raw: Raw;
  refused: RefusedOption | undefined;

  constructor(raw: Raw) {
    this.#raw = raw;
  }

  choice<T extends string>(option: string, choices: readonly T[], fallback: T): T {
    const value = this.#raw[option];
    if (value === undefined) return fallback;
    const chosen = choices.find((choice) => choice === value);
    return chosen ?? this.#refuse(option, `one of ${choices.join(', ')}`, fallback);
  }

  boolean(option: string, fallback: boolean): boolean {
    const value = this.#raw[option];
    if (value === undefined) return fallback;
    return typeof value === 'boolean' ? value : this.#refuse(option, 'true or false', fallback);
  }

  integer(option: string, min: number, max: number): number | undefined {
    const value = this.#raw[option];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.#refuse(option, `an integer from ${min} to ${max}`, undefined);
  }

  nodeCount(option: string): Options['synchronousNodeCount'] {
    const value = this.#raw[option];
    if (value === undefined) return 'all';
    if (value === 'all' || value === 'majority') return value;
    if (typeof value === 'string' && /^[1-9]\d{0,2}$/.test(value)) return Number(value);
    return this.#refuse(option, 'all, majority, or an integer from 1 to 999', 'all');
  }

  parameters(): Record<string, number> {
    const set: Record<string, number> = {};
    for (const [option, { parameter, min, max }] of Object.entries(PARAMETER_OPTIONS)) {
      const value = this.integer(option, min, max);
      if (value !== undefined) set[parameter] = value;
    }
    return set;
  }

  #refuse<T>(option: string, allowed: string, fallback: T): T {
    this.refused ??= { ok: false, option, value: String(this.#raw[option]), allowed };
    return fallback;
  }
}

/**
 * How many replicas must confirm a commit, for this many planned units. The primary confirms
 * nothing to itself, so one unit has no synchronous replica whatever was asked.
 */
export function synchronousNodes(options: Options, plannedUnits: number): number {
  const replicas = Math.max(plannedUnits - 1, 0);
  if (options.synchronousNodeCount === 'all') return replicas;
  // With the primary itself, half of the units rounded down is a majority of all.
  if (options.synchronousNodeCount === 'majority') return Math.floor(Math.max(plannedUnits, 0) / 2);
  return Math.min(options.synchronousNodeCount, replicas);
}

/** Patroni's clocks, in seconds. By its rule loop_wait + 2 x retry_timeout is at most ttl. */
export interface FailoverClocks {
  ttl: number;
  loop_wait: number;
  retry_timeout: number;
  /** How long a crashed primary is restarted in place before a replica takes over. */
  primary_start_timeout: number;
}

/** `fast` is the tightest that every supported Patroni accepts: 20 s is the floor for ttl. */
export const FAILOVER_CLOCKS: Readonly<Record<FailoverProfile, FailoverClocks>> = {
  fast: { ttl: 20, loop_wait: 1, retry_timeout: 9, primary_start_timeout: 0 },
  balanced: { ttl: 20, loop_wait: 2, retry_timeout: 9, primary_start_timeout: 30 },
  safe: { ttl: 30, loop_wait: 10, retry_timeout: 10, primary_start_timeout: 300 },
};

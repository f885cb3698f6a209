/**
 * The charm's options: what each may hold, and the one typed value the deciders work with.
 *
 * Nothing is ever corrected or clamped in silence. A value outside its range refuses the whole
 * configuration, naming the option, the value and what is allowed, so that nothing half-valid is
 * applied. What several options may hold together stands in `option-rules.ts`.
 */
import { type HbaEntry, parseHbaEntries, parseNetworks } from './hba-entry.ts';
import { DEFAULT_FILTER, parseSearchFilter } from './ldap-filter.ts';
import { type GroupMapping, parseLdapMap } from './ldap-map.ts';
import { MEMBER_TAGS_FORM, type MemberTags, parseMemberTags } from './member-tags.ts';
import {
  ANY_MACHINE,
  allowedOf,
  boolean,
  choice,
  integer,
  isAllowed,
  type Limits,
  type RawValue,
  rendered,
  type ValueKind,
} from './option-values.ts';
import { PARAMETER_OPTIONS, type ParameterOption, parameterOf } from './parameter-options.ts';
import { PLUGINS, pluginOption } from './plugins.ts';

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
  /** Most connections of one client to the primary; undefined: no limit of its own. */
  clientConnectionLimit: number | undefined;
  /** For a new primary: how long clients wait in the pooler, and how many of one pooler may. */
  failoverWait: { seconds: number; clients: number | undefined };
  /** Beyond this lag a replica is not read from through the pooler. */
  readonlyMaximumLagMib: number;
  /** What single units are for, by their names. */
  memberTags: Readonly<Record<string, MemberTags>>;
  maxConnections: number | undefined;
  failoverProfile: FailoverProfile;
  /** Ends with 0 only when the machine of a lost primary is certainly off. */
  fenceCommand: string | undefined;
  /** Bytes that a replica may lack and still take over. */
  maximumLagOnFailover: number;
  /** Processes of one backup or restore; undefined: by the processors. */
  backupProcesses: number | undefined;
  /** Libraries that PostgreSQL loads at its start, beside those that plugins need. */
  preloadLibraries: readonly string[];
  /** Names of the plugins that shall be in every database, ascending. */
  plugins: readonly string[];
  /** URI of the secret with the passwords of system users. */
  systemUsers: string | undefined;
  /** CIDR: from where everybody may come, beside where related applications are. */
  accessNetworks: readonly string[];
  hbaEntries: readonly HbaEntry[];
  ldapMap: readonly GroupMapping[];
  /** A filter in which `$username` is who logs in. */
  ldapSearchFilter: string;
  /** PostgreSQL parameters by their own names, as its configuration writes them. */
  parameters: Readonly<Record<string, string | number>>;
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

export type RawOptions = Readonly<Record<string, RawValue>>;

/** @param raw values as `config-get` gives them; an option that is absent has no value */
export function parseOptions(raw: RawOptions, limits: Limits = ANY_MACHINE): ParsedOptions {
  const reader = new OptionReader(raw, limits);
  const options: Options = {
    profile: reader.choice('profile', ['production', 'testing'], 'production'),
    profileLimitMemoryMib: reader.integer('profile-limit-memory', 128, 9_999_999),
    synchronousNodeCount: reader.nodeCount('synchronous-node-count'),
    synchronousModeStrict: reader.boolean('synchronous-mode-strict', true),
    poolerMode: reader.choice('pooler-mode', ['session', 'transaction'], 'session'),
    failoverWait: {
      // A minute is what clients wait for a login at most; the pooler must answer before.
      seconds: reader.integer('failover-wait-seconds', 0, 55) ?? 30,
      clients: reader.integer('failover-wait-clients', 1, 1_000_000),
    },
    readonlyMaximumLagMib: reader.integer('readonly-maximum-lag', 1, 1_048_576) ?? 64,
    memberTags: reader.text('member-tags', parseMemberTags, MEMBER_TAGS_FORM) ?? {},
    clientConnectionLimit: reader.integer('client-connection-limit', 1, 262_143),
    // Patroni quietly takes its own value for fewer than 25.
    maxConnections: reader.integer('experimental-max-connections', 25, 262_143),
    failoverProfile: reader.choice('failover-profile', ['fast', 'balanced', 'safe'], 'balanced'),
    fenceCommand: reader.text('fence-command', parseCommand, COMMAND_FORM),
    maximumLagOnFailover: reader.integer(LAG_OPTION, 0, Number.MAX_SAFE_INTEGER) ?? 1_048_576,
    backupProcesses: reader.integer('backup-process-max', 1, 999),
    preloadLibraries: reader.libraries('instance-preload-libraries'),
    plugins: Object.keys(PLUGINS)
      .filter((name) => reader.boolean(pluginOption(name), false))
      .sort(),
    systemUsers: reader.secret('system-users'),
    accessNetworks: reader.text('access-networks', parseNetworks, NETWORKS_FORM) ?? [],
    hbaEntries: reader.hbaEntries('access-hba-entries'),
    ldapMap: reader.text('ldap-map', parseLdapMap, MAP_FORM) ?? [],
    ldapSearchFilter:
      reader.text('ldap-search-filter', parseSearchFilter, FILTER_FORM)?.text ?? DEFAULT_FILTER,
    parameters: reader.parameters(),
  };
  return reader.refused ?? { ok: true, options };
}

const COMMAND_FORM = 'a program and what it is given, on one line of at most 1000 characters';
const NETWORKS_FORM = 'a list of networks, as 10.0.0.0/8, separated by commas';
const MAP_FORM = 'a list of group=role, separated by commas, with no role of the charm itself';
const FILTER_FORM = 'a search filter with (attribute=$username) in it';
const LAG_OPTION = 'durability-maximum-lag-on-failover';

function parseCommand(text: string): string | undefined {
  // A line break would end it, and a zero the argument that carries it.
  return /^[A-Za-z0-9/][^\p{Cc}]{0,999}$/u.test(text) ? text : undefined;
}

/** Bytes to plan with: what the machine gives, or `profile-limit-memory` where that is less. */
export function usableMemory(memoryBytes: number, options: Options): number {
  const limit = options.profileLimitMemoryMib;
  return limit === undefined ? memoryBytes : Math.min(memoryBytes, limit * 1024 * 1024);
}

/** What the charm sets where the operator has not. */
const WHILE_UNSET: Readonly<Record<string, string | number>> = Object.fromEntries(
  Object.entries(PARAMETER_OPTIONS).flatMap(([option, entry]) => {
    const value = entry.unset === undefined ? undefined : rendered(entry.value, entry.unset);
    return value === undefined ? [] : [[parameterOf(option, entry), value] as const];
  }),
);

/** Reads one option after the other and keeps the first that is refused. */
class OptionReader {
  readonly #raw: RawOptions;
  readonly #limits: Limits;
  refused: RefusedOption | undefined;

  constructor(raw: RawOptions, limits: Limits) {
    this.#raw = raw;
    this.#limits = limits;
  }

  choice<T extends string>(option: string, choices: readonly T[], fallback: T): T {
    return (this.#value(option, choice(...choices)) as T | undefined) ?? fallback;
  }

  boolean(option: string, fallback: boolean): boolean {
    return (this.#value(option, boolean) as boolean | undefined) ?? fallback;
  }

  integer(option: string, min: number, max: number): number | undefined {
    return this.#value(option, integer(min, max)) as number | undefined;
  }

  nodeCount(option: string): Options['synchronousNodeCount'] {
    const value = this.#raw[option];
    if (value === undefined) return 'all';
    if (value === 'all' || value === 'majority') return value;
    if (typeof value === 'string' && /^[1-9]\d{0,2}$/.test(value)) return Number(value);
    this.#refuse(option, 'all, majority, or an integer from 1 to 999');
    return 'all';
  }

  libraries(option: string): string[] {
    const value = this.#raw[option];
    if (value === undefined || value === '') return [];
    const names = String(value).split(',');
    const fit = (name: string) => /^[a-z0-9_]+$/.test(name) && this.#limits.has('library', name);
    if (typeof value === 'string' && names.every(fit)) return names;
    this.#refuse(option, "libraries of the unit's PostgreSQL, separated by commas");
    return [];
  }

  hbaEntries(option: string): readonly HbaEntry[] {
    const value = this.#raw[option];
    if (value === undefined) return [];
    const parsed = parseHbaEntries(String(value));
    if (parsed.ok) return parsed.entries;
    const allowed = 'host, hostssl or hostnossl with databases, users, a network and a method';
    this.refused ??= { ok: false, option, value: parsed.line, allowed };
    return [];
  }

  secret(option: string): string | undefined {
    const value = this.#raw[option];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && /^secret:[a-z0-9/:-]+$/.test(value)) return value;
    this.#refuse(option, 'the URI of a secret');
    return undefined;
  }

  /** @param parse undefined refuses the text */
  text<T>(option: string, parse: (text: string) => T | undefined, allowed: string): T | undefined {
    const value = this.#raw[option];
    if (value === undefined) return undefined;
    const parsed = parse(String(value));
    if (parsed === undefined) this.#refuse(option, allowed);
    return parsed;
  }

  parameters(): Record<string, string | number> {
    const set = { ...WHILE_UNSET };
    for (const option of Object.keys(this.#raw)) {
      const entry = Object.hasOwn(PARAMETER_OPTIONS, option) && PARAMETER_OPTIONS[option];
      if (!entry) continue;
      const value = this.#parameter(option, entry);
      if (value !== undefined) set[parameterOf(option, entry)] = value;
    }
    return set;
  }

  #parameter(option: string, entry: ParameterOption): string | number | undefined {
    const raw = this.#value(option, entry.value);
    if (raw === undefined) return undefined;
    const { postgres: major } = this.#limits;
    const { from = 0, until = Number.POSITIVE_INFINITY } = entry;
    if (major !== undefined && (major < from || major > until)) {
      const since = major < from ? `from ${from} on` : `up to ${until}`;
      this.#refuse(option, `something that PostgreSQL ${major} knows: it is there ${since}`);
      return undefined;
    }
    return rendered(entry.value, raw);
  }

  #value(option: string, kind: ValueKind): RawValue | undefined {
    const value = this.#raw[option];
    if (value === undefined) return undefined;
    if (isAllowed(kind, value, this.#limits)) return value;
    this.#refuse(option, allowedOf(kind, this.#limits));
    return undefined;
  }

  #refuse(option: string, allowed: string): void {
    this.refused ??= { ok: false, option, value: String(this.#raw[option]), allowed };
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

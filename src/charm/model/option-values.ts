/**
 * What one option may hold: its kind, whether a given value is of it, how an operator is told what
 * is allowed, and how PostgreSQL writes it. Pure; knows no option by name.
 */
export type RawValue = string | number | boolean;

/** PostgreSQL's own unit of a whole number; the option is given in it. */
export type Unit = 'B' | 'kB' | '8kB' | 'MB' | 'ms' | 's' | 'min';

export type ValueKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit?: Unit }
  | { readonly kind: 'number'; readonly min: number; readonly max: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** `auto`, or a number of processes from 2; ten for each processor at most. */
  | { readonly kind: 'workers' }
  | { readonly kind: 'date-style' }
  | { readonly kind: 'time-zone' }
  | { readonly kind: 'locale' };

/** What of the machine bounds values. The default bounds nothing. */
export interface Limits {
  readonly memoryBytes: number;
  readonly cpus: number;
  /** Major version of PostgreSQL; undefined: any. */
  readonly postgres: number | undefined;
  /** Whether the machine has this time zone, or locale, or library. */
  has(what: 'time-zone' | 'locale' | 'library', name: string): boolean;
}

export const ANY_MACHINE: Limits = {
  memoryBytes: Number.POSITIVE_INFINITY,
  cpus: Number.POSITIVE_INFINITY,
  postgres: undefined,
  has: () => true,
};

const INT_MAX = 2_147_483_647;

export const integer = (min: number, max = INT_MAX, unit?: Unit): ValueKind => ({
  kind: 'integer',
  min,
  max,
  ...(unit === undefined ? {} : { unit }),
});
export const number = (min: number, max = Number.MAX_VALUE): ValueKind => ({
  kind: 'number',
  min,
  max,
});
export const boolean: ValueKind = { kind: 'boolean' };
export const workers: ValueKind = { kind: 'workers' };
export const choice = (...choices: string[]): ValueKind => ({ kind: 'choice', choices });

/** What the option takes, as a phrase: `an integer from 1 to 600`. */
export function allowedOf(value: ValueKind, limits: Limits = ANY_MACHINE): string {
  switch (value.kind) {
    case 'integer':
      return `an integer from ${value.min} to ${value.max}`;
    case 'number':
      return value.max === Number.MAX_VALUE
        ? `a number from ${value.min}`
        : `a number from ${value.min} to ${value.max}`;
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${value.choices.join(', ')}`;
    case 'workers':
      return `auto, or an integer from 2 to ${mostWorkers(limits)}`;
    case 'date-style':
      return 'ISO, SQL, Postgres or German, then perhaps a comma and DMY, MDY or YMD';
    case 'time-zone':
      return "a time zone of the unit's machine, as UTC or Europe/Berlin";
    case 'locale':
      return "a locale of the unit's machine, as C or C.UTF-8";
  }
}

/** Whether a value as `config-get` gives it is of this kind. */
export function isAllowed(value: ValueKind, raw: RawValue, limits: Limits): boolean {
  switch (value.kind) {
    case 'integer':
      return Number.isInteger(raw) && isWithin(raw, value);
    case 'number':
      return isWithin(raw, value);
    case 'boolean':
      return typeof raw === 'boolean';
    case 'choice':
      return value.choices.some((choice) => choice === raw);
    case 'workers':
      return raw === 'auto' || isCount(raw, limits);
    case 'date-style':
      return typeof raw === 'string' && DATE_STYLE.test(raw);
    case 'time-zone':
      return typeof raw === 'string' && ZONE.test(raw) && limits.has('time-zone', raw);
    case 'locale':
      return typeof raw === 'string' && isLocale(raw, limits);
  }
}

/**
 * As PostgreSQL's configuration writes it; undefined where the value leaves it to the charm.
 * @param raw a value that isAllowed()
 */
export function rendered(value: ValueKind, raw: RawValue): string | number | undefined {
  if (value.kind === 'workers') return raw === 'auto' ? undefined : Number(raw);
  if (typeof raw === 'boolean') return raw ? 'on' : 'off';
  // A block's size depends on how PostgreSQL was built; kilobytes never do.
  if (value.kind === 'integer' && value.unit === '8kB') return `${Number(raw) * 8}kB`;
  const written = value.kind === 'integer' && (value.unit === 'kB' || value.unit === 'MB');
  return written && Number(raw) > 0 ? `${raw}${value.unit}` : raw;
}

const DATE_STYLE = /^(?:ISO|SQL|Postgres|German)(?:, ?(?:DMY|MDY|YMD))?$/;
/** A path below the machine's time zones, never out of them. */
const ZONE = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9][A-Za-z0-9_+-]*)*$/;
const LOCALE = /^[A-Za-z][A-Za-z0-9_.@-]*$/;

function isWithin(raw: RawValue, { min, max }: { min: number; max: number }): boolean {
  return typeof raw === 'number' && raw >= min && raw <= max;
}

function isCount(raw: RawValue, limits: Limits): boolean {
  if (typeof raw !== 'string' || !/^[1-9]\d{0,5}$/.test(raw)) return false;
  return Number(raw) >= 2 && Number(raw) <= mostWorkers(limits);
}

/** The reference's bound: more than ten processes for each processor only displace each other. */
function mostWorkers({ cpus }: Limits): number {
  return Math.max(2, Math.min(262_143, 10 * cpus));
}

function isLocale(raw: string, limits: Limits): boolean {
  if (['C', 'POSIX', 'C.UTF-8'].includes(raw)) return true;
  return LOCALE.test(raw) && limits.has('locale', raw);
}

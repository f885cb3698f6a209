/**
 * Command line flags as Juju reads them (its flag library is a GNU-like relative of Go's `flag`):
 * the hook tools and the CLI share this parser, so both refuse the same mistakes in the same words.
 *
 * Decides only what the words mean; printing help and exiting is the caller's.
 */
import { parseDurationMs } from '../std/duration.ts';

export type FlagKind = 'string' | 'bool' | 'int' | 'duration' | 'strings';

export interface FlagSpec {
  /** Without dashes, with aliases: `['r', 'relation']`. Values are found under the last. */
  names: readonly string[];
  /** Default 'string'. 'strings' may be repeated; 'duration' is a Go duration, kept as text. */
  kind?: FlagKind;
  /** What the help calls the value; it also shows the default. */
  value?: string;
  doc: string;
  /** Refuses a value: the text that follows `invalid value "x" for option --y: `. */
  check?: (value: string) => string | undefined;
}

export class ParsedFlags {
  readonly #values: ReadonlyMap<string, string[]>;
  /** The words that are no flags, in order. */
  readonly args: readonly string[];

  constructor(values: ReadonlyMap<string, string[]>, args: readonly string[]) {
    this.#values = values;
    this.args = args;
  }

  /** The last value given, or undefined. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** Every value given, in order. */
  texts(name: string): string[] {
    return this.#values.get(name) ?? [];
  }

  bool(name: string): boolean {
    return parseGoBool(this.text(name) ?? 'false') ?? false;
  }

  int(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseGoInt(text);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }
}

/** Wrong words on a command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `--help` or `-h` was given where no such flag is declared. */
export class HelpRequested extends Error {
  override readonly name = 'HelpRequested';
}

export interface ParseOptions {
  /** Flags may follow positionals (default); false stops at the first, as `exec` does. */
  interspersed?: boolean;
}

/**
 * @throws UsageError with Juju's words, for example `option provided but not defined: --x`
 * @throws HelpRequested
 */
export function parseFlags(
  specs: readonly FlagSpec[],
  argv: readonly string[],
  options: ParseOptions = {},
): ParsedFlags {
  const byName = new Map(specs.flatMap((spec) => spec.names.map((name) => [name, spec] as const)));
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  const rest = [...argv];

  const take = (name: string, attached: string | undefined): void => {
    const spec = byName.get(name);
    if (spec === undefined) {
      if (name === 'help' || name === 'h') throw new HelpRequested();
      throw new UsageError(`option provided but not defined: ${dashed(name)}`);
    }
    const value = spec.kind === 'bool' ? (attached ?? 'true') : (attached ?? rest.shift());
    if (value === undefined) throw new UsageError(`option needs an argument: ${dashed(name)}`);
    refuse(spec, name, value);
    const key = spec.names.at(-1) ?? name;
    values.set(key, [...(values.get(key) ?? []), value]);
  };

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      positionals.push(...rest.splice(0));
    } else if (word.startsWith('--')) {
      const [name, attached] = splitLong(word);
      take(name, attached);
    } else if (word.startsWith('-') && word !== '-') {
      takeShort(word.slice(1), byName, take);
    } else {
      positionals.push(word);
      if (options.interspersed === false) positionals.push(...rest.splice(0));
    }
  }
  return new ParsedFlags(values, positionals);
}

function splitLong(word: string): [name: string, attached: string | undefined] {
  const equals = word.indexOf('=');
  if (equals < 0) return [word.slice(2), undefined];
  if (equals === 2) throw new UsageError(`empty option in argument ${goQuote(word)}`);
  return [word.slice(2, equals), word.slice(equals + 1)];
}

/** `-abc`: booleans until one that takes a value, whose value is the rest or the next word. */
function takeShort(
  letters: string,
  byName: ReadonlyMap<string, FlagSpec>,
  take: (name: string, attached: string | undefined) => void,
): void {
  let left = [...letters];
  while (left.length > 0) {
    const [name = '', ...others] = left;
    left = others;
    const spec = byName.get(name);
    if (spec !== undefined && spec.kind !== 'bool' && left.length > 0) {
      take(name, left.join(''));
      return;
    }
    take(name, undefined);
  }
}

function refuse(spec: FlagSpec, name: string, value: string): void {
  const option = dashed(name);
  if (spec.kind === 'bool' && parseGoBool(value) === undefined) {
    const why = `strconv.ParseBool: parsing ${goQuote(value)}: invalid syntax`;
    throw new UsageError(`invalid boolean value ${goQuote(value)} for option ${option}: ${why}`);
  }
  const why = problemOf(spec, value);
  if (why !== undefined) {
    throw new UsageError(`invalid value ${goQuote(value)} for option ${option}: ${why}`);
  }
}

function problemOf(spec: FlagSpec, value: string): string | undefined {
  if (spec.kind === 'int' && parseGoInt(value) === undefined) {
    return `strconv.ParseInt: parsing ${goQuote(value)}: invalid syntax`;
  }
  if (spec.kind === 'duration' && parseDurationMs(value) === undefined) {
    return `time: invalid duration ${goQuote(value)}`;
  }
  return spec.check?.(value);
}

/** `-r`, `--relation`. */
export function dashed(name: string): string {
  return [...name].length > 1 ? `--${name}` : `-${name}`;
}

/** Go's strconv.ParseBool, or undefined. */
export function parseGoBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  return undefined;
}

/** An integer in Go's notation that JavaScript represents exactly, or undefined. */
export function parseGoInt(text: string): number | undefined {
  if (!/^[+-]?(?:0[0-7]*|[1-9]\d*|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.test(text)) return undefined;
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '');
  // Like ParseInt with base 0: a leading zero means octal.
  const number = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return Number.isSafeInteger(number) ? (negative ? 0 - number : number) : undefined;
}

/** Go's %q for the texts that occur in messages. */
export function goQuote(text: string): string {
  const escaped = text.replace(/[\\"]/g, (character) => `\\${character}`);
  return `"${escaped.replace(/[\u0000-\u001f\u007f]/g, escapeControl)}"`;
}

function escapeControl(character: string): string {
  const known = '\u0007a\bb\tt\nn\u000bv\ff\rr';
  const at = known.indexOf(character);
  if (at >= 0 && at % 2 === 0) return `\\${known[at + 1]}`;
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** The option table of a help text, one option per paragraph as Juju prints it. */
export function describeFlags(specs: readonly FlagSpec[]): string {
  const lines = specs
    .toSorted((a, b) => ((a.names.at(-1) ?? '') < (b.names.at(-1) ?? '') ? -1 : 1))
    .map((spec) => {
      const names = spec.names.map(dashed).join(', ');
      const value = spec.kind === 'bool' ? '' : ` ${spec.value ?? '""'}`;
      return `${names}${value}\n    ${spec.doc}`;
    });
  return lines.join('\n');
}

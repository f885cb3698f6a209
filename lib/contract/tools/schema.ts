/**
 * The shape of one hook tool's description: what its words mean and how to write them. The
 * controller parses with it, lib/hooks builds with it, `--help` prints it.
 *
 * Knows only words. What depends on the hook (default relation, who may) is the controller's.
 */
import type { Format } from '../format.ts';
import { dashed, type FlagSpec, goQuote, type ParsedFlags, UsageError } from '../gnuflag.ts';

export interface ToolSchema<Call> {
  /** Positionals as the help shows them. */
  readonly usage: string;
  readonly purpose: string;
  readonly flags?: readonly FlagSpec[];
  /** Formats of structured output, the default first; without it the tool has no `--format`. */
  readonly formats?: readonly [Format, ...Format[]];
  /** `--format` is accepted, ignored and complained about. */
  readonly deprecatedFormat?: boolean;
  /** @throws UsageError */
  readonly parse: (flags: ParsedFlags) => Call;
  /** The words for a call, without the name of the tool. */
  readonly build: (call: Call) => string[];
}

export const ALL_FORMATS = ['smart', 'yaml', 'json'] as const;

/** `-r`, `--relation`: `N` or `endpoint:N`. */
export const relationFlag: FlagSpec = {
  names: ['r', 'relation'],
  value: '<relation id>',
  doc: 'the relation; by default that of the hook',
};

export interface RelationChoice {
  /** `N` or `endpoint:N`; the hook's relation when left out. */
  relation?: string;
}

export function relationOf(flags: ParsedFlags): RelationChoice {
  const relation = flags.text('relation');
  return relation === undefined ? {} : { relation };
}

export function relationWords({ relation }: RelationChoice): string[] {
  return relation === undefined ? [] : ['-r', relation];
}

export function boolFlag(name: string, doc: string): FlagSpec {
  return { names: [name], kind: 'bool', doc };
}

export function textFlag(name: string, value: string, doc: string): FlagSpec {
  return { names: [name], value, doc };
}

/** `--name value` for each member that is set. */
export function textWords(values: Record<string, string | undefined>): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [dashed(name), value],
  );
}

/** Picks the flags that were given, for members that are left out when not. */
export function textsGiven<Name extends string>(
  flags: ParsedFlags,
  names: readonly Name[],
): { [K in Name]?: string } {
  const given: { [K in Name]?: string } = {};
  for (const name of names) {
    const value = flags.text(name);
    if (value !== undefined && value !== '') given[name] = value;
  }
  return given;
}

/** @throws UsageError `unrecognized args: ["x" "y"]` */
export function noMore(args: readonly string[]): void {
  if (args.length > 0) {
    throw new UsageError(`unrecognized args: [${args.map(goQuote).join(' ')}]`);
  }
}

export function atMostOne(args: readonly string[]): string | undefined {
  noMore(args.slice(1));
  return args[0];
}

/** Pairs of `key=value`; an empty value is kept. @throws UsageError */
export function keyValues(args: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = Object.create(null);
  for (const word of args) {
    const equals = word.indexOf('=');
    if (equals < 1) throw new UsageError(`expected "key=value", got ${goQuote(word)}`);
    const key = word.slice(0, equals);
    if (key in pairs) throw new UsageError(`key ${goQuote(key)} specified more than once`);
    pairs[key] = word.slice(equals + 1);
  }
  return { ...pairs };
}

export function keyValueWords(pairs: Record<string, string>): string[] {
  const words = Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
  return words.length === 0 ? [] : ['--', ...words];
}

const APPLICATION = /^[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*$/;

export function isApplicationName(text: string): boolean {
  return APPLICATION.test(text);
}

export function isUnitName(text: string): boolean {
  const slash = text.lastIndexOf('/');
  return (
    isApplicationName(text.slice(0, Math.max(slash, 0))) &&
    /^\/(?:0|[1-9]\d*)$/.test(text.slice(slash))
  );
}

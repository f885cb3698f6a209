/**
 * What a command of the CLI is: its name, flags and help as data, and one function.
 *
 * Commands talk to the controller through `call.api` and to people through `call.out`; none of them
 * reads process-wide state or ends the process.
 */
import { type FlagSpec, type ParsedFlags, UsageError } from '../../lib/contract/gnuflag.ts';
import type { Api } from './client.ts';
import type { Output } from './output.ts';

export interface Command {
  readonly name: string;
  /** What follows the flags in the usage line: `<application> [<key>=<value>] ...`. */
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly examples?: readonly string[];
  readonly flags?: readonly FlagSpec[];
  /** Fewest and most positional arguments. */
  readonly takes: readonly [number, number];
  /** What is missing when there are too few: `no application specified`. */
  readonly missing?: string;
  /** True where what follows the first positional belongs to a remote command (ssh, exec). */
  readonly stopsAtPositional?: boolean;
  /** @returns the exit code */
  readonly run: (call: Call) => Promise<number>;
}

export interface Call {
  readonly args: readonly string[];
  readonly flags: ParsedFlags;
  readonly api: Api;
  /** The same, but Ctrl-C does not end its requests: for what has to be given back. */
  readonly lasting: Api;
  readonly out: Output;
  readonly env: Record<string, string | undefined>;
  readonly cwd: string;
  /** Ends waits: the operator pressed Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Accepted by every command, as by Juju's. */
export const globalFlags: readonly FlagSpec[] = [
  { names: ['m', 'model'], value: '[<controller>:][<user>/]<model>', doc: 'Model to operate in' },
  { names: ['q', 'quiet'], kind: 'bool', doc: 'Show no informational output' },
  { names: ['v', 'verbose'], kind: 'bool', doc: 'Accepted for compatibility' },
  { names: ['debug'], kind: 'bool', doc: 'Accepted for compatibility' },
  { names: ['show-log'], kind: 'bool', doc: 'Accepted for compatibility' },
  { names: ['logging-config'], doc: 'Accepted for compatibility' },
];

/** For flags that take a whole number from 0. */
export const COUNT = {
  kind: 'int',
  check: (value: string) => (Number(value) < 0 ? 'must be a positive integer' : undefined),
} as const;

const MACHINE_KINDS = ['loopback', 'netns'] as const;

/** For commands that add machines. */
export const machineFlag: FlagSpec = {
  names: ['machine'],
  doc: `Kind of new machines: loopback, or netns with a network of its own (root)`,
  check: (value) =>
    MACHINE_KINDS.some((known) => known === value)
      ? undefined
      : `expected ${MACHINE_KINDS.join(' or ')}, got "${value}"`,
};

export function machineKind(flags: ParsedFlags): (typeof MACHINE_KINDS)[number] | undefined {
  return MACHINE_KINDS.find((known) => known === flags.text('machine'));
}

/** Values of a flag, each of which may itself be a list with commas. */
export function commaList(flags: ParsedFlags, name: string): string[] {
  return flags.texts(name).flatMap((value) => value.split(',').filter((part) => part !== ''));
}

/** @throws UsageError when an item is not `key=value` */
export function keyValues(items: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const item of items) {
    const split = item.indexOf('=');
    if (split < 1) throw new UsageError(`expected "key=value", got "${item}"`);
    pairs[item.slice(0, split)] = item.slice(split + 1);
  }
  return pairs;
}

/** `--format`, for documents that can be printed in several forms; the first is the default. */
export function formatFlag(...formats: [string, ...string[]]): FlagSpec {
  const known = `unknown format`;
  return {
    names: ['format'],
    value: formats[0],
    doc: `Specify output format (${formats.join('|')})`,
    check: (value) => (formats.includes(value) ? undefined : `${known} "${value}"`),
  };
}

/**
 * Runs an external command: always with a timeout, never through a shell, never with a secret in
 * its arguments (they are visible to every user of the machine; use `input` or a file).
 */
import { basename } from 'node:path';
import { OperatorError } from '../std/errors.ts';
import { traced } from '../std/trace.ts';

export interface RunOptions {
  timeoutMs: number;
  /** Text for stdin; nothing when left out. */
  input?: string;
  /** Added to PATH, HOME and LANG, which is all that a command inherits. */
  env?: Record<string, string>;
  cwd?: string;
  /** Numeric user to run as; only root may ask for another. */
  uid?: number;
  gid?: number;
  /** Exit codes that are answers and not failures; default only 0. */
  accept?: readonly number[];
}

export interface RunResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** @throws OperatorError `command-failed` or `command-missing`, with the last line of stderr */
export function run(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  return traced(basename(file), {}, () => execute(file, args, options));
}

async function execute(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  // Loaded here because it costs 50 ms, and most events run no command at all.
  const { execa } = await import('execa');
  const { timeoutMs, input, env, cwd, uid, gid, accept } = options;
  const result = await execa(file, args, {
    timeout: timeoutMs,
    extendEnv: false,
    env: { ...inherited(), ...env },
    reject: false,
    stripFinalNewline: true,
    maxBuffer: 20_000_000,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
  });
  const { exitCode } = result;
  if (exitCode !== undefined && (accept ?? [0]).includes(exitCode)) {
    return { exitCode, stdout: result.stdout, stderr: result.stderr };
  }
  const missing = result.failed && result.code === 'ENOENT';
  throw new OperatorError({
    code: missing ? 'command-missing' : 'command-failed',
    message: `cannot run ${file}: ${reason(result, timeoutMs)}`,
    ...(missing ? { hint: `install the package that provides ${file}` } : {}),
  });
}

interface Ending {
  code?: string | undefined;
  timedOut: boolean;
  stderr: string;
  exitCode?: number | undefined;
  signal?: string | undefined;
}

function reason(result: Ending, timeoutMs: number): string {
  if (result.code === 'ENOENT') return 'there is no such program';
  if (result.timedOut) return `no end after ${timeoutMs / 1000} s`;
  const said = lastLine(result.stderr);
  const ended = result.signal ?? `exit code ${result.exitCode ?? 'unknown'}`;
  return said === '' ? ended : `${said} (${ended})`;
}

function lastLine(text: string): string {
  return (text.trimEnd().split('\n').at(-1) ?? '').trim().slice(0, 500);
}

/** Hook variables stay out of children: a service must not hold on to a context that has ended. */
function inherited(): Record<string, string> {
  return {
    PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`,
    HOME: process.env['HOME'] ?? '/',
    LANG: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}

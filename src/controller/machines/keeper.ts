/**
 * Small processes that hold a namespace of a machine open. They outlive the controller, and when
 * the last process of a namespace ends the kernel removes what is in it: no file and no interface
 * stays on the host.
 *
 * A keeper is found by its environment: no record that could be missing after a crash.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { poll } from '../../../lib/std/clock.ts';
import { processIds, startTimeOf } from '../runner/process-record.ts';

/** Both are in util-linux, which every Debian and Ubuntu has. */
export const UNSHARE = '/usr/bin/unshare';
export const NSENTER = '/usr/bin/nsenter';
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** From SIGKILL to the end, on a machine with much to do. */
const END_MS = 5000;

export interface Keeper {
  pid: number;
  startTime: string;
}

/** A variable of the keeper's environment; its value is `<D> <id>`. */
export interface Mark {
  name: string;
  root: string;
}

export interface NewKeeper {
  mark: Mark;
  id: string;
  /** Makes or enters the namespace, says `ready` on stdout, and stays. */
  program: string;
  words: readonly string[];
}

/** Those of this installation that run, by id; of an earlier controller too. */
export function findKeepers({ name, root }: Mark): Map<string, Keeper> {
  const found = new Map<string, Keeper>();
  const prefix = `${name}=${root} `;
  for (const pid of processIds()) {
    const entries = readProc(`/proc/${pid}/environ`)?.split('\0') ?? [];
    const id = entries.find((entry) => entry.startsWith(prefix))?.slice(prefix.length);
    const startTime = startTimeOf(pid);
    if (id !== undefined && startTime !== undefined) found.set(id, { pid, startTime });
  }
  return found;
}

/** Its working directory is D. @throws Error with what it said when it did not get ready */
export async function startKeeper({ mark, id, program, words }: NewKeeper): Promise<Keeper> {
  const env = { PATH, [mark.name]: `${mark.root} ${id}` };
  const child = spawn(program, words, { cwd: mark.root, env, detached: true });
  const said = new Promise<string>((resolve) => {
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.stdout.once('data', () => resolve(''));
    child.once('error', (error) => resolve(error.message));
    child.once('close', () => resolve(errors.trim() || 'it ended'));
  });
  const problem = await said;
  const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid);
  if (problem !== '' || child.pid === undefined || startTime === undefined) {
    throw new Error(problem);
  }
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  child.unref();
  return { pid: child.pid, startTime };
}

/** The kernel takes a moment to end it; what is off shall be off. */
export async function endKeeper({ pid, startTime }: Keeper): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const hasEnded = async () => startTimeOf(pid) !== startTime || undefined;
  await poll(hasEnded, { timeoutMs: END_MS, everyMs: 2 });
}

/**
 * Runs a short program to its end.
 *
 * @param input for its stdin; default none
 * @returns what it wrote to stderr when it failed, else undefined
 */
export function complaint(words: readonly string[], input = ''): Promise<string | undefined> {
  const [program = '', ...rest] = words;
  const child = spawn(program, rest, { env: { PATH }, stdio: ['pipe', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdin.on('error', () => {}); // It may end without reading.
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => resolve(code === 0 ? undefined : errors.trim() || `${code}`));
  });
}

/** Text of a file of /proc; undefined when the process is gone, or somebody else's. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Ends a program that has come to a standstill: it says nothing, and neither it nor what it has
 * started reads, writes or computes more than a sign of life now and then. Such a program waits for
 * somebody who will never answer, and would for ever.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { activityOf, processTree, signal, startTime } from '../../../lib/machine/processes.ts';

export interface StallOptions {
  /** How long nothing may move, in milliseconds. */
  quietMs: number;
  /** Called once, before the program is ended. */
  onStall: () => void;
}

export interface StallWatch {
  /** The program has said something: it is at work. */
  heard(): void;
  /** A program that is being ended is ended all the same. */
  stop(): void;
}

/**
 * Looks this often within the quiet time, and counts: what stood still because the whole machine
 * did is asked again afterwards.
 */
const LOOKS = 30;
/** What goes to and fro to keep connections open is less, and no work at all. */
const NOISE_BYTES = 64 * 1024;
/** From being asked to end to being ended. */
const GRACE_MS = 5000;

interface Seen {
  pids: string;
  activity: number;
  /** How many looks ago it last did something. */
  quiet: number;
}

export function endWhenStalled(pid: number, options: StallOptions): StallWatch {
  const done = new AbortController();
  const seen: Seen = { pids: '', activity: 0, quiet: 0 };
  // Looking fails when the watch is over, or when /proc cannot be read: then nothing is ended.
  watch(pid, options, seen, done.signal).catch(() => undefined);
  return {
    heard() {
      seen.quiet = 0;
    },
    stop: () => done.abort(),
  };
}

async function watch(
  pid: number,
  { quietMs, onStall }: StallOptions,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const tree = await processTree(pid);
    const [pids, activity] = [tree.join(' '), await activityOf(tree)];
    signal.throwIfAborted();
    if (pids !== seen.pids || activity - seen.activity >= NOISE_BYTES) {
      Object.assign(seen, { pids, activity, quiet: 0 });
    } else if (++seen.quiet > LOOKS) {
      onStall();
      return await end(tree);
    }
    await delay(quietMs / LOOKS, undefined, { signal, ref: false });
  }
}

/** All of them: a child that was stopped holds the pipes of its parent open. */
async function end(pids: readonly number[]): Promise<void> {
  const identities = new Map<number, number | undefined>();
  for (const pid of pids) identities.set(pid, await startTime(pid));
  for (const pid of pids) signal(pid, 'SIGTERM');
  await delay(GRACE_MS);
  for (const [pid, ticks] of identities) {
    if (ticks !== undefined && (await startTime(pid)) === ticks) signal(pid, 'SIGKILL');
  }
}

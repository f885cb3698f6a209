/**
 * Ends a program that has come to a standstill: neither it nor what it has started computes, reads
 * or writes any more. Such a program waits for somebody who will never answer, and would for ever.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { activityOf, processTree, signal, startTime } from '../../../lib/machine/processes.ts';

export interface StallOptions {
  /** How long nothing may move, in milliseconds. */
  quietMs: number;
  /** Called once, before the program is ended. */
  onStall: () => void;
}

/** Looks this often within the quiet time. */
const LOOKS = 30;
/** From being asked to end to being ended. */
const GRACE_MS = 5000;

/** @returns what stops watching; a program that is being ended is ended all the same */
export function endWhenStalled(pid: number, options: StallOptions): () => void {
  const done = new AbortController();
  // Looking fails when the watch is over, or when /proc cannot be read: then nothing is ended.
  watch(pid, options, done.signal).catch(() => undefined);
  return () => done.abort();
}

async function watch(
  pid: number,
  { quietMs, onStall }: StallOptions,
  signal: AbortSignal,
): Promise<void> {
  let seen = '';
  let since = Date.now();
  for (;;) {
    const pids = await processTree(pid);
    const now = `${pids.join(' ')}: ${await activityOf(pids)}`;
    signal.throwIfAborted();
    if (now !== seen) since = Date.now();
    else if (Date.now() - since >= quietMs) {
      onStall();
      return await end(pids);
    }
    seen = now;
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

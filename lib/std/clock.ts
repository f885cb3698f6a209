/** Time as a port, so that deciders stay pure and tests own the clock. Milliseconds throughout. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  },
};

/**
 * Calls `probe` until it answers something other than undefined, or until `timeoutMs` has passed.
 * Never used in a hook: hooks do not wait.
 *
 * @returns the answer, or undefined when the time is over
 */
export async function poll<T>(
  probe: () => Promise<T | undefined>,
  options: { timeoutMs: number; everyMs?: number; clock?: Clock; signal?: AbortSignal },
): Promise<T | undefined> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.now() + options.timeoutMs;
  while (!options.signal?.aborted) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (clock.now() >= deadline) return undefined;
    await clock.sleep(options.everyMs ?? 100, options.signal);
  }
  return undefined;
}

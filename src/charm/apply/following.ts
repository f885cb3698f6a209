/**
 * Follows what an agent carries out, for an action: each line is shown once, and an agent that is
 * away for a moment (it restarts, or was killed) does not end what it had begun, nor the following.
 */
import { systemClock } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Ending } from '../workload/ports.ts';

/** Another agent takes unfinished work over within seconds; the unit's own is started anew. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 500;

export type Follow = (onLine: (line: string) => void) => Promise<Ending>;

/** @param follow starts from the first line each time. @throws the last `agent-unreachable` */
export async function followPatiently(
  follow: Follow,
  show: (line: string) => Promise<void>,
): Promise<Ending> {
  const pending: Promise<void>[] = [];
  let shown = 0;
  let heard = systemClock.now();
  for (;;) {
    let seen = 0;
    try {
      const ending = await follow((line) => {
        heard = systemClock.now();
        if (++seen <= shown) return;
        shown = seen;
        pending.push(show(line));
      });
      await Promise.all(pending);
      return ending;
    } catch (error) {
      const away = error instanceof OperatorError && error.code === 'agent-unreachable';
      if (!away || systemClock.now() - heard > PATIENCE_MS) throw error;
      await systemClock.sleep(AGAIN_MS);
    }
  }
}

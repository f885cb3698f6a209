/** Follows a record of work to its end, on any unit: new lines as they are written. */
import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Ending } from '../../charm/workload/ports.ts';
import type { StoredWork, WorkStore } from './record.ts';

const LOOK_EVERY_MS = 200;
/** How long etcd may be silent before following is given up; the work itself goes on. */
const PATIENCE_MS = 60_000;

/** @throws OperatorError `no-such-work`, or `etcd-unreachable` when etcd stays silent */
export async function followWork(
  store: Pick<WorkStore, 'read'>,
  id: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Ending> {
  let next = 0;
  let answeredAt = Date.now();
  while (!signal.aborted) {
    const stored = await store.read().catch((error: unknown) => {
      if (Date.now() - answeredAt > PATIENCE_MS) throw error;
      return 'silent' as const;
    });
    if (stored !== 'silent') {
      answeredAt = Date.now();
      const record = recordOf(stored, id);
      const fresh = record.lines.slice(Math.max(0, next - record.firstLine));
      for (const line of fresh) onLine(line);
      next = record.firstLine + record.lines.length;
      if (record.outcome !== 'running') {
        return { outcome: record.outcome, message: record.message, result: record.result };
      }
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return { outcome: 'cancelled', message: 'nobody follows any more', result: {} };
}

function recordOf(stored: StoredWork | undefined, id: string) {
  if (stored?.record.id === id) return stored.record;
  throw new OperatorError({
    code: 'no-such-work',
    message: `cannot follow work ${id}: there is no such record, or a newer one took its place`,
    retry: 'never',
  });
}

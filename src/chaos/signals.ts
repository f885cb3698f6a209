/**
 * Signals to processes that still are who they were: a number may have passed to another meanwhile.
 */
import { runs, signal } from '../../lib/machine/processes.ts';
import { poll } from '../../lib/std/clock.ts';
import { OperatorError } from '../../lib/std/errors.ts';
import type { Process } from './model.ts';

const LONGEST_END_MS = 10_000;

export async function signalAll(found: readonly Process[], name: NodeJS.Signals): Promise<void> {
  for (const one of found) if (await isSame(one)) signal(one.pid, name);
}

/**
 * Kills them all at once and waits for their end; a zombie counts as ended, as its parent may be
 * what was killed or is stopped.
 *
 * @throws OperatorError `process-stays`
 */
export async function killAll(found: readonly Process[]): Promise<void> {
  await signalAll(found, 'SIGKILL');
  const left = async () => {
    const same = await Promise.all(found.map(isSame));
    return found.filter((_, at) => same[at]);
  };
  const gone = async () => ((await left()).length === 0 ? true : undefined);
  if (await poll(gone, { timeoutMs: LONGEST_END_MS, everyMs: 20 })) return;
  const stays = (await left()).map(({ pid, command }) => `${pid} ${command}`).join(', ');
  throw new OperatorError({
    code: 'process-stays',
    message: `cannot kill ${stays}`,
    hint: 'a process that waits for a disk cannot be killed: look at its state with `ps`',
    retry: 'never',
  });
}

function isSame({ pid, started }: Process): Promise<boolean> {
  return runs(pid, Number(started));
}

/**
 * Traces on disk, between the processes that make them and the one that sends them. Holds at most
 * three files of half a mebibyte; the oldest go first. Nothing here is worth an error.
 */
import { appendFile, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Trace } from './trace.ts';

const LIMIT_BYTES = 512 * 1024;

const NEW = 'new.jsonl';
const FULL = 'full.jsonl';
const LEAVING = 'leaving.jsonl';

/** @param directory when it does not exist, the trace is not kept */
export async function keepTrace(directory: string, trace: Trace): Promise<void> {
  const file = join(directory, NEW);
  try {
    await appendFile(file, `${JSON.stringify(trace)}\n`, { mode: 0o600 });
    if ((await stat(file)).size > LIMIT_BYTES) await rename(file, join(directory, FULL));
  } catch {
    // The unit is not set up yet, or its disk is full.
  }
}

/**
 * The oldest traces that are kept, to be given up by `dropLeaving` when somebody has them.
 *
 * What was written last is only set aside, for a process may still be writing to it; it comes with
 * the next call.
 *
 * @returns undefined while nothing is to leave
 */
export async function leavingTraces(directory: string): Promise<Trace[] | undefined> {
  const leaving = join(directory, LEAVING);
  const text = await readFile(leaving, 'utf8').catch(() => undefined);
  if (text !== undefined) return text.split('\n').flatMap(parse);
  for (const name of [FULL, NEW]) {
    if (await moved(join(directory, name), leaving)) break;
  }
  return undefined;
}

function moved(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}

export async function dropLeaving(directory: string): Promise<void> {
  await rm(join(directory, LEAVING), { force: true });
}

/** None for half a line, which a process left that was killed. */
function parse(line: string): Trace[] {
  try {
    return [JSON.parse(line) as Trace];
  } catch {
    return [];
  }
}

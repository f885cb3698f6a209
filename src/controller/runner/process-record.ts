/**
 * A process as the store remembers it: number and start time, which together name one process for
 * as long as the machine is up. Ends the group of a process, never one that merely got its number.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemCode } from '../../../lib/std/errors.ts';

export interface ProcessRecord {
  pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks after boot. */
  startTime: string;
  contextId: string;
}

/** Fields of /proc/<pid>/stat behind the command's name, from the state on; undefined if gone. */
export function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Ids of all processes that this one may know of. */
export function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Start time of a process that runs; undefined when it has ended, also while it is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Sends a signal to a whole group. @returns false when nobody is there */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Ends the hook that a dead controller left running, with everything in its group.
 *
 * @returns whether there was one
 */
export async function endStale(record: ProcessRecord): Promise<boolean> {
  if (startTimeOf(record.pid) !== record.startTime) return false;
  signalGroup(record.pid, 'SIGKILL');
  for (let waited = 0; waited < 5000; waited += 20) {
    if (!isGroupAlive(record.pid)) return true;
    await delay(20);
  }
  throw new Error(`process ${record.pid} does not end`);
}

/** The first of a group may end before the others: any of them could still write. */
function isGroupAlive(group: number): boolean {
  return processIds().some((pid) => {
    const fields = statOf(pid);
    return Number(fields?.[2]) === group && startTimeOf(pid) !== undefined;
  });
}

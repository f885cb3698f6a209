/**
 * Looks at processes through /proc and signals them. Never by name: always by id, checked first.
 */
import { readFile } from 'node:fs/promises';
import { systemCode } from '../std/errors.ts';
import { readIfExists } from '../std/files.ts';

/** Arguments of a process, or undefined when it has ended. */
export async function commandLine(pid: number): Promise<string[] | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return text === '' ? undefined : text.split('\0').slice(0, -1);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** Clock ticks between the machine's start and the process's: with the pid, its identity. */
export async function startTime(pid: number): Promise<number | undefined> {
  const stat = await readIfExists(`/proc/${pid}/stat`).catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the name in parentheses and may itself hold blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[19]);
}

/** The pid that a file holds, when that process lives. */
export async function pidOf(file: string): Promise<number | undefined> {
  const pid = Number((await readIfExists(file))?.trim());
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return (await commandLine(pid)) === undefined ? undefined : pid;
}

/** @returns false when the process had ended already */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
    throw error;
  }
}

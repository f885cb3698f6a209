/**
 * Looks at processes through /proc and signals them. Never by name: always by id, checked first.
 */
import { readdir, readFile } from 'node:fs/promises';
import { poll } from '../std/clock.ts';
import { systemCode } from '../std/errors.ts';
import { readIfExists, readNow } from '../std/files.ts';

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
  const fields = await statFields(pid);
  return fields === undefined ? undefined : Number(fields[19]);
}

/** Whether that very process runs; what has ended and waits for its parent does not. */
export async function runs(pid: number, started: number): Promise<boolean> {
  const fields = await statFields(pid);
  return fields !== undefined && fields[0] !== 'Z' && Number(fields[19]) === started;
}

/** The fields of proc(5) from the third on; the state is the first of them. */
async function statFields(pid: number): Promise<string[] | undefined> {
  const stat = statLine(pid);
  // The second field is the name in parentheses and may itself hold blanks and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function statLine(pid: number): string | undefined {
  try {
    // The kernel answers from memory.
    return readNow(`/proc/${pid}/stat`);
  } catch {
    return undefined; // It ended while it was read.
  }
}

/** The process itself, if it lives, and all that descend from it. */
export async function processTree(root: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  for (const pid of pids) {
    const fields = await statFields(pid);
    // What has ended and waits for its parent does nothing any more.
    if (fields !== undefined && fields[0] !== 'Z') parents.set(pid, Number(fields[1]));
  }
  const found = parents.has(root) ? [root] : [];
  for (const pid of found) {
    for (const [child, parent] of parents) if (parent === pid) found.push(child);
  }
  return found;
}

/**
 * A number that grows whenever one of the processes computes, reads or writes: bytes that went
 * through its system calls, and clock ticks of its processor time.
 */
export async function activityOf(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) {
    const fields = (await statFields(pid)) ?? [];
    sum += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    const io = (await readIfExists(`/proc/${pid}/io`).catch(() => undefined)) ?? '';
    for (const [, bytes] of io.matchAll(/^[rw]char: (\d+)$/gm)) sum += Number(bytes);
  }
  return sum;
}

/** The pid that a file holds, when that process lives. */
export async function pidOf(file: string): Promise<number | undefined> {
  const pid = Number((await readIfExists(file))?.trim());
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return (await commandLine(pid)) === undefined ? undefined : pid;
}

/**
 * Every process that names this path among its arguments, as servers and their tools name their
 * data directory.
 */
export async function processesOn(path: string): Promise<number[]> {
  const names = new Set([path, `--pgdata=${path}`]);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const args = await commandLine(pid).catch(() => undefined);
      return args?.some((arg) => names.has(arg)) ? [pid] : [];
    }),
  );
  return found.flat();
}

/** Kills every process on this path, see processesOn(), and waits for their ends. */
export async function endProcessesOn(path: string, timeoutMs = 10_000): Promise<void> {
  const gone = async () => {
    const left = await processesOn(path);
    for (const pid of left) signal(pid, 'SIGKILL');
    return left.length === 0 ? true : undefined;
  };
  await poll(gone, { timeoutMs, everyMs: 50 });
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

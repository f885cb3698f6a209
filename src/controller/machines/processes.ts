/**
 * Finds and ends the processes that belong to a machine: those that work, are named after, or hold
 * a file open below its units' directories, and everything they started.
 *
 * Never the controller or its parents. A person's own shell or editor, which has a terminal, counts
 * only when it was opened in a unit's environment.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processIds, startTimeOf, statOf } from '../runner/process-record.ts';

interface Seen {
  pid: number;
  parent: number;
  /** Device number of the controlling terminal, 0 for none. */
  terminal: number;
}

/** @param dirs absolute directories of the machine's units: agents and storage */
export function processesOf(dirs: readonly string[]): number[] {
  const all = allProcesses();
  const spared = ancestors(all, process.pid);
  const found = new Set<number>();
  for (const seen of all) {
    if (!spared.has(seen.pid) && belongs(seen, dirs)) found.add(seen.pid);
  }
  // Children before their parents are known are found in the next round.
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const { pid, parent } of all) {
      if (found.has(parent) && !spared.has(pid)) found.add(pid);
    }
  }
  return [...found];
}

/**
 * Ends them all at once, again and again until none is left: a supervisor may start new ones.
 *
 * @throws Error when some are still there after ten seconds
 */
export async function endProcesses(dirs: readonly string[]): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    const pids = processesOf(dirs).filter((pid) => startTimeOf(pid) !== undefined);
    if (pids.length === 0) return;
    // Stopped first, no supervisor notices that its services are going.
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of pids) send(pid, signal);
    await delay(round < 10 ? 5 : 50);
  }
  throw new Error(`processes below ${dirs.join(', ')} do not end`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended, which is all that was wanted.
  }
}

function allProcesses(): Seen[] {
  const result: Seen[] = [];
  for (const pid of processIds()) {
    const fields = statOf(pid);
    if (fields === undefined || fields[0] === 'Z') continue;
    result.push({ pid, parent: Number(fields[1]), terminal: Number(fields[4]) });
  }
  return result;
}

function ancestors(all: readonly Seen[], pid: number): Set<number> {
  const parents = new Map(all.map((seen) => [seen.pid, seen.parent]));
  const result = new Set<number>([1]);
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
    result.add(at);
  }
  return result;
}

function belongs({ pid, terminal }: Seen, dirs: readonly string[]): boolean {
  const base = `/proc/${pid}`;
  if (mentions(read(`${base}/environ`), dirs, 'JUJU_CHARM_DIR=')) return true;
  if (terminal !== 0) return false;
  if (isBelow(link(`${base}/cwd`), dirs) || mentions(read(`${base}/cmdline`), dirs)) return true;
  return openFiles(base).some((file) => isBelow(file, dirs));
}

function openFiles(base: string): string[] {
  try {
    return readdirSync(`${base}/fd`).map((fd) => link(`${base}/fd/${fd}`));
  } catch {
    return []; // Gone, or somebody else's.
  }
}

function isBelow(path: string, dirs: readonly string[]): boolean {
  return dirs.some((dir) => path === dir || path.startsWith(`${dir}/`));
}

/** Whether one of the strings of a NUL-separated text names something below the directories. */
function mentions(text: string, dirs: readonly string[], prefix?: string): boolean {
  return text.split('\0').some((part) => {
    if (prefix !== undefined) {
      return part.startsWith(prefix) && isBelow(part.slice(prefix.length), dirs);
    }
    return dirs.some((dir) => {
      const at = part.indexOf(dir);
      const next = at < 0 ? undefined : part[at + dir.length];
      return at >= 0 && (next === undefined || !/[\w.-]/.test(next));
    });
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

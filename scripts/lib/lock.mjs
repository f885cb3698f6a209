/**
 * One process at a time does a piece of work that several may start at once (build, npm ci, apt).
 *
 * A lock names its holder by pid and start time, so that a killed holder never blocks the next one.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Holds `path` while `work` runs; waits as long as another live process holds it.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {(pid: number) => void} [onWait] told once, when somebody else is first
 * @returns {Promise<T>}
 */
export async function withLock(path, work, onWait) {
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; !take(path); told = true) {
    if (!told) onWait?.(Number(readHolder(path)?.pid ?? 0));
    await sleep(100);
  }
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(path) {
  const mine = JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid) });
  try {
    writeFileSync(path, mine, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = readHolder(path);
  if (holder !== undefined && startTimeOf(holder.pid) === holder.started) return false;
  rmSync(path, { force: true });
  return false;
}

/** Undefined while the holder is between creating the file and filling it, or when it is gone. */
function readHolder(path) {
  try {
    const text = readFileSync(path, 'utf8');
    return text === '' ? { pid: process.pid, started: startTimeOf(process.pid) } : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Clock ticks after boot when a process started (proc(5), stat field 22); undefined when gone. */
export function startTimeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

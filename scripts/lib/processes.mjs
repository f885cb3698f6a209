/**
 * Finds and ends the processes of one installation, by its directory alone.
 *
 * A process belongs to it when its program or its working directory lies in the directory, or an
 * argument names a file in it. Never matches by name. Leaves alone this process and its ancestors,
 * and whatever has a terminal (somebody's shell, pager or editor), unless the installation's own
 * program runs there.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @typedef {object} Found
 * @property {number} pid
 * @property {number} parent
 * @property {string} started clock ticks after boot; with the pid, its identity
 * @property {string} command
 * @property {string} cwd
 */

/**
 * @param {string} directory absolute, without a slash at the end
 * @returns {Found[]}
 */
export function processesOf(directory) {
  const spared = ancestry();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && !spared.has(Number(name)))
    .map((name) => describe(Number(name), directory))
    .filter((found) => found !== undefined);
}

function describe(pid, directory) {
  const stat = statOf(pid);
  if (stat === undefined || stat.state === 'Z') return undefined;
  const args = read(`/proc/${pid}/cmdline`).split('\0');
  const exe = link(`/proc/${pid}/exe`);
  const cwd = link(`/proc/${pid}/cwd`);
  const within = (path) => path === directory || path.startsWith(`${directory}/`);
  const named = args.some((argument) => names(argument, directory));
  if (!within(exe) && (stat.terminal || !(within(cwd) || named))) return undefined;
  const { parent, started } = stat;
  return { pid, parent, started, command: args.join(' ').trim(), cwd };
}

/** `/d/x`, `--file=/d/x`, `-D/d`: the directory, not preceded or continued by a longer name. */
function names(argument, directory) {
  const at = argument.indexOf(directory);
  if (at < 0) return false;
  const next = argument[at + directory.length];
  const before = argument[at - 1];
  return (next === undefined || next === '/' || next === ' ') && (before ?? '=') !== '/';
}

function ancestry() {
  const pids = new Set();
  for (let pid = process.pid; pid > 1 && !pids.has(pid); pid = statOf(pid)?.parent ?? 0) {
    pids.add(pid);
  }
  return pids;
}

/** proc(5): the fields after the name in parentheses, which may itself hold blanks. */
function statOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === '') return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0],
    parent: Number(fields[1]),
    terminal: fields[4] !== '0',
    started: fields[19],
  };
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It ended meanwhile, or belongs to somebody else.
  }
}

function link(path) {
  try {
    // The kernel adds this to the name of a program whose file was replaced.
    return readlinkSync(path).replace(/ \(deleted\)$/, '');
  } catch {
    return '';
  }
}

/** Whether this very process, not another that got its number, still runs. */
export function lives({ pid, started }) {
  const stat = statOf(pid);
  return stat !== undefined && stat.started === started && stat.state !== 'Z';
}

/** Signals processes that still are who they were. */
export function signalAll(found, signal) {
  for (const one of found) {
    if (!lives(one)) continue;
    try {
      process.kill(one.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

/** @returns {Promise<boolean>} whether `check` came true in time */
export async function waitUntil(check, timeoutMs) {
  for (const started = Date.now(); !check(); ) {
    if (Date.now() - started > timeoutMs) return false;
    await sleep(50);
  }
  return true;
}

/**
 * Kills everything of the installation at once and waits for the end; supervisors start again what
 * dies, so it looks until nothing is left.
 *
 * @returns {Promise<Found[]>} what could not be ended
 */
export async function killAll(directory, timeoutMs = 20_000) {
  const gone = () => {
    const found = processesOf(directory);
    signalAll(found, 'SIGKILL');
    return found.length === 0;
  };
  return (await waitUntil(gone, timeoutMs)) ? [] : processesOf(directory);
}

/**
 * The pinned Node and the npm packages: finds them, installs them when the lock file asks for it,
 * and runs programs under that Node.
 *
 * Never relies on the Node that npm happens to use: that one may be as old as 20, has no type
 * stripping and no SQLite.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { progressStream, Refusal, say } from './terminal.mjs';

/** The clone. */
export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const modules = join(projectRoot, 'node_modules');
/** Written by npm at the end of every install; its time says which lock file it served. */
const installed = join(modules, '.package-lock.json');
const lockFile = join(projectRoot, 'package-lock.json');

/** Where the pinned Node of this machine's architecture is, installed or not. */
export function pinnedNode() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Refusal(
      `cannot run on ${process.platform} ${process.arch}`,
      'use Linux on x86-64 or arm64',
    );
  }
  return join(modules, `node-linux-${process.arch}`, 'bin', 'node');
}

/** Installs the npm packages of the lock file unless they are there. */
export function ensureDependencies() {
  requireNode20();
  const reason = staleness();
  if (reason === undefined) return;
  say('installing npm packages (npm ci --ignore-scripts)', reason);
  // Warnings are about the Node that runs npm, not about the pinned one that runs the packages.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', ...quiet], {
    cwd: projectRoot,
    stdio: ['ignore', progressStream().fd, 'inherit'],
  });
  if (npm.error !== undefined || npm.status !== 0) {
    throw new Refusal(
      `cannot install npm packages: npm ${npm.error?.message ?? `ended with ${npm.status}`}`,
      'check the network and that npm is on PATH, then run the same command again',
    );
  }
  if (!existsSync(pinnedNode())) {
    throw new Refusal(
      `cannot find the pinned Node after npm ci: ${pinnedNode()}`,
      'optional dependencies must not be left out: unset npm settings such as omit=optional',
    );
  }
}

function requireNode20() {
  if (Number(process.versions.node.split('.')[0]) >= 20) return;
  throw new Refusal(
    `cannot run on Node ${process.versions.node}: 20 or newer is needed`,
    'install Node 20 or newer; everything else is installed from here',
  );
}

/** Why `npm ci` has to run, or undefined. */
function staleness() {
  if (!existsSync(installed)) return 'node_modules is missing';
  if (!existsSync(pinnedNode())) return 'the pinned Node is missing';
  const lockedAt = statSync(lockFile).mtimeMs;
  if (statSync(installed).mtimeMs >= lockedAt) return undefined;
  if (!sameVersions()) return 'package-lock.json is newer than node_modules';
  // A checkout touches files without changing them: note that, so as not to compare again.
  utimesSync(installed, new Date(), new Date());
  return undefined;
}

/** Whether every package of the lock file is installed in its version. */
function sameVersions() {
  const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link === true) return true;
    const found = present[path]?.version;
    return found === entry.version || (found === undefined && entry.optional === true);
  });
}

/**
 * Runs a program of the clone (.ts or .mjs) under the pinned Node with the terminal passed on.
 *
 * @param {string} program path below the clone
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, nodeOptions?: string[] }} [options]
 * @returns {Promise<number>} its exit code; 128 + n after signal n
 */
export function runPinned(program, args, options = {}) {
  const command = [...(options.nodeOptions ?? []), join(projectRoot, program), ...args];
  return runToEnd(pinnedNode(), command, options.env);
}

/** Runs a command with the terminal passed on; signals reach it through the terminal's group. */
export function runToEnd(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: projectRoot,
      stdio: 'inherit',
      env: { ...process.env, NODE_COMPILE_CACHE: join(modules, '.cache', 'node'), ...env },
    });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 9));
    });
  });
}

/**
 * Continues this script under the pinned Node when another one runs it.
 *
 * @returns {Promise<number | undefined>} the exit code when another process did the work
 */
export async function underPinnedNode(script, args) {
  ensureDependencies();
  if (realpathSync(process.execPath) === realpathSync(pinnedNode())) return undefined;
  return await runPinned(join('scripts', script), args);
}

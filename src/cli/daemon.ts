/**
 * Finds the controller of an installation, or starts it and waits until it answers.
 *
 * An installed release is kept as it is; only `npm start` brings a newer one. The controller
 * outlives this process: it gets a session of its own and no stream of ours.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { poll } from '../../lib/std/clock.ts';
import { OperatorError, systemCode } from '../../lib/std/errors.ts';
import { lastWords } from './last-words.ts';
import { currentRelease, installRelease } from './release.ts';
import { socketPath } from './root.ts';
import { hasUnit, startUnit } from './systemd-unit.ts';

const START_TIMEOUT_MS = 15_000;

/** It waits most of its life: memory that stays free is worth more here than speed. */
const SMALL_NODE = ['--optimize-for-size', '--max-semi-space-size=1'];
const SMALL_MALLOC = { MALLOC_ARENA_MAX: '1' };

/** Program and arguments of an installation's controller. */
export function controllerCommand(root: string): string[] {
  const program = join(root, 'release', 'current', 'controller.js');
  return [join(root, 'bin', 'node'), ...SMALL_NODE, program, '--dir', root];
}

/** What the controller needs in its environment beside what it inherits. */
export function controllerVariables(root: string): Record<string, string> {
  const cache = join(root, 'release', 'cache');
  return { LANG: 'C.UTF-8', ...SMALL_MALLOC, NODE_COMPILE_CACHE: cache };
}

/** Whether a controller accepts connections on the installation's socket. */
export function answers(root: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath(root));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(false);
      else reject(refusedBy(root, error));
    });
  });
}

function refusedBy(root: string, cause: Error): OperatorError {
  return new OperatorError({
    code: 'controller-refused',
    message: `cannot talk to the controller in ${root}: ${systemCode(cause) ?? cause.message}`,
    hint: 'run the command as the user who started it, or set PGCHARM_DIR',
    retry: 'never',
    cause,
  });
}

/**
 * The path of the socket of a controller that answers; starts one when there is none.
 *
 * @param say receives one line when a start takes place
 * @throws OperatorError `not-built`, `controller-did-not-start`
 */
export async function ensureController(root: string, say: (line: string) => void): Promise<string> {
  if (await answers(root)) return socketPath(root);
  if ((await currentRelease(root)) === undefined) await installRelease(root);
  say('starting the controller');
  const child = await startController(root);
  const up = await poll(async () => ((await answers(root)) || child.ended() ? true : undefined), {
    timeoutMs: START_TIMEOUT_MS,
    everyMs: 25,
  });
  // Two commands may have started one at a time; the loser ends, the winner answers.
  if (up && (await answersSoon(root))) return socketPath(root);
  const file = join(root, 'log', 'controller.log');
  const { reason, hint } = lastWords(await readFile(file, 'utf8').catch(() => ''));
  throw new OperatorError({
    code: 'controller-did-not-start',
    message: `cannot start the controller: ${reason ?? 'it does not answer'}`,
    hint: hint ?? `read ${file}`,
    retry: 'now',
  });
}

async function answersSoon(root: string): Promise<boolean> {
  const probe = async () => ((await answers(root)) ? true : undefined);
  return (await poll(probe, { timeoutMs: 2000, everyMs: 50 })) === true;
}

async function startController(root: string): Promise<{ ended: () => boolean }> {
  const log = await openLog(root);
  if (hasUnit(root)) {
    // Started from here it would take the place of systemd's, which would try again for ever.
    await log.close();
    await startUnit();
    return { ended: () => false };
  }
  const [program = '', ...words] = controllerCommand(root);
  try {
    const child = spawn(program, words, {
      cwd: root,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: controllerEnvironment(root),
    });
    let ended = false;
    child.once('error', () => {
      ended = true;
    });
    child.once('exit', () => {
      ended = true;
    });
    child.unref();
    return { ended: () => ended };
  } finally {
    await log.close();
  }
}

/** Units derive their PATH from the controller's; nothing else of the operator's shell gets in. */
function controllerEnvironment(root: string): Record<string, string> {
  const path =
    process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const kept: Record<string, string> = { PATH: path };
  for (const name of ['TZ', 'HOME', 'USER', 'http_proxy', 'https_proxy', 'no_proxy']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, ...controllerVariables(root) };
}

/** The controller writes its log itself; a crash of Node says so on this stream. */
async function openLog(root: string) {
  const directory = join(root, 'log');
  await mkdir(directory, { recursive: true, mode: 0o711 });
  return open(join(directory, 'controller.log'), 'a', 0o600);
}

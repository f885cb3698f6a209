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
import { currentRelease, installRelease } from './release.ts';
import { socketPath } from './root.ts';

const START_TIMEOUT_MS = 15_000;

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
  throw new OperatorError({
    code: 'controller-did-not-start',
    message: `cannot start the controller: it does not answer${await lastWords(root)}`,
    hint: `read ${join(root, 'log', 'controller.log')}`,
    retry: 'now',
  });
}

async function answersSoon(root: string): Promise<boolean> {
  const probe = async () => ((await answers(root)) ? true : undefined);
  return (await poll(probe, { timeoutMs: 2000, everyMs: 50 })) === true;
}

async function startController(root: string): Promise<{ ended: () => boolean }> {
  const log = await openLog(root);
  const release = join(root, 'release', 'current');
  try {
    const child = spawn(
      join(root, 'bin', 'node'),
      [join(release, 'controller.js'), '--dir', root],
      {
        cwd: root,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        env: controllerEnvironment(root),
      },
    );
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
  const kept: Record<string, string> = { PATH: path, LANG: 'C.UTF-8' };
  for (const name of ['TZ', 'HOME', 'USER', 'http_proxy', 'https_proxy', 'no_proxy']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, NODE_COMPILE_CACHE: join(root, 'release', 'cache') };
}

/** The controller writes its log itself; a crash of Node says so on this stream. */
async function openLog(root: string) {
  const directory = join(root, 'log');
  await mkdir(directory, { recursive: true, mode: 0o711 });
  return open(join(directory, 'controller.log'), 'a', 0o600);
}

async function lastWords(root: string): Promise<string> {
  try {
    const log = await readFile(join(root, 'log', 'controller.log'), 'utf8');
    const line = log.trimEnd().split('\n').at(-1) ?? '';
    return line === '' ? '' : `; its log ends with: ${line}`;
  } catch {
    return '';
  }
}

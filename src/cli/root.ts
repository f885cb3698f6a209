/** Where this user's installation lives (`D` in docs/architecture.md), and the paths within it. */
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';

type Environment = Record<string, string | undefined>;

/** Linux refuses a unix socket whose path is longer. */
const LONGEST_SOCKET_PATH = 107;

/** The longest socket below the root belongs to a unit; leave room for its name. */
const LONGEST_OWN_SOCKET = 'agents/unit-postgresql-00/pg/run/.s.PGSQL.5432';

/** What only an installation has, one of them from its first moment on. */
const OWN_NAMES = ['release', 'start.lock', 'state'];

/**
 * The directory of the installation; created (0711) when missing.
 *
 * @throws OperatorError `root-too-long` when sockets within it would have too long a path,
 *   `root-foreign` when it is full of something else, `root-unusable` when it cannot be made
 */
export function resolveRoot(env: Environment): string {
  const root = chosenRoot(env);
  const longest = join(root, LONGEST_OWN_SOCKET).length;
  if (longest > LONGEST_SOCKET_PATH) {
    throw new OperatorError({
      code: 'root-too-long',
      message:
        `cannot use ${root}: sockets within it would have paths of ${longest} bytes, ` +
        `and Linux allows ${LONGEST_SOCKET_PATH}`,
      hint: 'set PGCHARM_DIR to a directory with a shorter name',
      retry: 'never',
    });
  }
  try {
    mkdirSync(root, { recursive: true, mode: 0o711 });
    refuseForeign(root);
    // The umask may have taken bits away: servers of other users pass through this directory.
    chmodSync(root, 0o711);
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    throw new OperatorError({
      code: 'root-unusable',
      message: `cannot use ${root}: ${messageOf(cause)}`,
      hint: 'set PGCHARM_DIR to a directory that you may write, or leave it out',
      retry: 'never',
      cause,
    });
  }
  return root;
}

/** Its mode is about to be changed, and `npm run clean` would remove it. */
function refuseForeign(root: string): void {
  const names = readdirSync(root);
  if (names.length === 0 || names.some((name) => OWN_NAMES.includes(name))) return;
  throw new OperatorError({
    code: 'root-foreign',
    message: `cannot use ${root}: it holds something else, such as ${names[0]}`,
    hint: 'set PGCHARM_DIR to a directory that is empty or does not exist',
    retry: 'never',
  });
}

function chosenRoot(env: Environment): string {
  const given = env['PGCHARM_DIR'];
  if (given !== undefined && given !== '') return resolve(given);
  if (process.getuid?.() === 0) return '/var/lib/pgcharm';
  const state = env['XDG_STATE_HOME'];
  // The XDG specification has relative paths ignored.
  if (state !== undefined && isAbsolute(state)) return join(state, 'pgcharm');
  return join(env['HOME'] ?? homedir(), '.local', 'state', 'pgcharm');
}

export function socketPath(root: string): string {
  return join(root, 'controller.sock');
}

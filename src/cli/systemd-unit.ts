/**
 * The systemd unit that keeps the controller of one installation of a machine. `npm start` writes
 * it, `npm run clean` removes it; this says whether it is there, and has systemd start it.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { OperatorError } from '../../lib/std/errors.ts';

export const UNIT_NAME = 'pgcharm.service';
export const UNIT_FILE = `/etc/systemd/system/${UNIT_NAME}`;
/** One installation of a machine is kept by systemd: root's at the usual place. */
const USUAL_ROOT = '/var/lib/pgcharm';

/** Whether systemd runs here and is the one to keep this installation's controller. */
export function mayHaveUnit(root: string): boolean {
  return root === USUAL_ROOT && process.getuid?.() === 0 && existsSync('/run/systemd/system');
}

export function hasUnit(root: string): boolean {
  if (!mayHaveUnit(root) || !existsSync(UNIT_FILE)) return false;
  return readFileSync(UNIT_FILE, 'utf8').includes(`--dir ${root}\n`);
}

/**
 * Returns when the process is there, which is before it answers.
 *
 * @throws OperatorError `systemd-refused`
 */
export async function startUnit(): Promise<void> {
  try {
    await promisify(execFile)('systemctl', ['start', UNIT_NAME]);
  } catch (cause) {
    throw new OperatorError({
      code: 'systemd-refused',
      message: `cannot start the controller: systemd does not start ${UNIT_NAME}`,
      hint: `see \`systemctl status ${UNIT_NAME}\` and \`journalctl -u ${UNIT_NAME}\``,
      retry: 'now',
      cause,
    });
  }
}

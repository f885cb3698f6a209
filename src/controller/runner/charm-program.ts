/**
 * Which program of a charm an event runs: `dispatch`, or the legacy file of the hook or action.
 *
 * A missing one is no error here: a hook without a program is skipped, an action fails.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../../lib/std/errors.ts';

export interface CharmProgram {
  file: string;
  /** How Juju names it in its log: `hook dispatching script: dispatch`. */
  via: string;
}

/**
 * @param path `hooks/<hook>` or `actions/<action>`
 * @throws Error `permission denied` for a file that may not be executed
 */
export async function findProgram(
  charmDir: string,
  path: string,
): Promise<CharmProgram | undefined> {
  if (await isProgram(join(charmDir, 'dispatch'))) {
    return { file: join(charmDir, 'dispatch'), via: 'hook dispatching script: dispatch' };
  }
  if (!(await isProgram(join(charmDir, path)))) return undefined;
  return { file: join(charmDir, path), via: `explicit, bespoke hook script` };
}

async function isProgram(file: string): Promise<boolean> {
  try {
    if (!(await stat(file)).isFile()) return false;
    await access(file, constants.X_OK);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    if (systemCode(error) === 'EACCES') {
      throw new Error(`fork/exec ${file}: permission denied`, { cause: error });
    }
    throw error;
  }
}

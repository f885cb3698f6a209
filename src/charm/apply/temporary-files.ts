/** The step that leads temporary files to their storage, also under a running PostgreSQL. */
import { lstat, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { systemCode } from '../../../lib/std/errors.ts';
import type { Families } from './tools.ts';

export const temporarySteps: Families<'link-temporary-files'> = {
  'link-temporary-files': {
    lane: 'temporary files',
    // After the directories, before PostgreSQL starts.
    priority: 37,
    async apply({ path, target }) {
      await linkTo(path, target);
      return undefined;
    },
  },
};

/**
 * Replaces a link or an empty directory. PostgreSQL makes the directory when it lacks it: whoever
 * is second gets an error from the system, and the next event tries again.
 */
export async function linkTo(path: string, target: string): Promise<void> {
  // Every tool that leaves the directory out goes by the beginning of its name.
  const aside = `${path}.new`;
  try {
    await rm(aside, { force: true });
    await symlink(target, aside);
    if (await isDirectory(path)) await rmdir(path);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    if (!['ENOTEMPTY', 'EEXIST', 'EISDIR'].includes(systemCode(error) ?? '')) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

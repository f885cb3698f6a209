/** Files that are either the old text or the new one, never half of it. */
import { randomUUID } from 'node:crypto';
import { chown, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

export interface FileMode {
  /** Permission bits, default 0o600. */
  mode?: number;
  /** Numeric owner; both or none. */
  uid?: number;
  gid?: number;
}

/** Writes to a sibling, syncs, renames: readers and crashes see one version or the other. */
export async function writeAtomic(
  path: string,
  content: string | Uint8Array,
  options: FileMode = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID().slice(0, 8)}~`;
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    if (options.uid !== undefined && options.gid !== undefined) {
      await chown(temporary, options.uid, options.gid);
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The text of a file, or undefined when there is none. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

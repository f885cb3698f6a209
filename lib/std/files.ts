/** Files that are either the old text or the new one, never half of it. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
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

/*
 * For a hook, which is a process of its own that has nothing else to do: through the thread pool
 * the hundred small files that it looks at cost a tenth of its time. A resident process that must
 * answer while a disk does not uses readIfExists.
 */

/** The text of a file, or undefined when there is none. */
export function readNow(path: string): string | undefined {
  return unlessAbsent(() => readFileSync(path, 'utf8'));
}

/** Undefined when nothing is there. */
export function statNow(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Names in a directory; none when it is absent. */
export function namesNow(directory: string): string[] {
  return unlessAbsent(() => readdirSync(directory)) ?? [];
}

function unlessAbsent<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
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

/**
 * Puts a charm archive into a unit's charm directory, at first and at each upgrade.
 *
 * Every file is written beside its place and renamed, so that a program that runs keeps its old
 * text. Files of the old revision that the new one lacks go; what the charm made itself stays,
 * unless the new revision has a file where it has a directory, or the other way round.
 * Repeatable: an unpacking that was cut short is finished by doing it again.
 */
import { createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm, symlink, unlink } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise } from 'yauzl';
import { OperatorError, systemCode } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';

const SYMLINK = 0o120000;
const TYPE_MASK = 0o170000;

export interface CharmFiles {
  archive: string;
  charmDir: string;
  /** Where the list of unpacked files is kept, outside the charm directory. */
  manifest: string;
  /** Written to `.juju-charm`: `local:postgresql-3`. */
  url: string;
}

/** @throws OperatorError `charm-unreadable`: the archive is missing, damaged or reaches outside */
export async function unpackCharm(files: CharmFiles): Promise<void> {
  const before = JSON.parse((await readIfExists(files.manifest)) ?? '[]') as string[];
  await mkdir(files.charmDir, { recursive: true, mode: 0o755 });
  const now: string[] = [];
  try {
    const archive = await openPromise(files.archive);
    for await (const entry of archive.eachEntry()) {
      await write(entry, files.charmDir, () => archive.openReadStreamPromise(entry));
      if (!entry.fileName.endsWith('/')) now.push(normalize(entry.fileName));
    }
  } catch (cause) {
    throw new OperatorError({
      code: 'charm-unreadable',
      message: `cannot unpack charm ${files.url} into ${files.charmDir}`,
      hint: 'check the free disk space; deploy or refresh with an intact charm file',
      cause,
    });
  }
  const kept = new Set(now);
  // Until the old files are gone both lists count, for whoever finishes this after a crash.
  await writeAtomic(files.manifest, JSON.stringify([...new Set([...before, ...now])]));
  for (const name of before) {
    if (!kept.has(name)) await forget(join(files.charmDir, name));
  }
  await writeAtomic(join(files.charmDir, '.juju-charm'), `${files.url}\n`, { mode: 0o644 });
  await writeAtomic(files.manifest, JSON.stringify(now));
}

async function write(
  entry: Entry,
  charmDir: string,
  open: () => Promise<NodeJS.ReadableStream>,
): Promise<void> {
  const path = join(charmDir, entry.fileName); // yauzl refuses absolute names and `..`.
  const bits = entry.externalFileAttributes >>> 16;
  if (entry.fileName.endsWith('/')) return makeDirectory(normalize(path));
  await makeDirectory(dirname(path));
  const temporary = `${path}.unpacking~`;
  await rm(temporary, { force: true });
  if ((bits & TYPE_MASK) === SYMLINK) await link(entry, temporary, open);
  else {
    const mode = modeOf(entry.fileName, bits & 0o777);
    await pipeline(await open(), createWriteStream(temporary, { mode }));
    await chmod(temporary, mode); // Whatever the umask says.
  }
  if ((await typeOf(path)) === 'directory') await rm(path, { recursive: true });
  await rename(temporary, path);
}

/** What is no directory and stands in the way goes. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    if (!['EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
    let obstacle = path;
    while ((await typeOf(obstacle)) === undefined) obstacle = dirname(obstacle);
    await unlink(obstacle);
    await makeDirectory(path);
  }
}

async function typeOf(path: string): Promise<'directory' | 'other' | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Removes a file; a directory of the new revision in its place stays, or above it a file. */
async function forget(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Legacy hooks are made executable, as Juju does; dispatch is not. */
function modeOf(name: string, bits: number): number {
  const mode = bits === 0 ? 0o644 : bits;
  return /^hooks\/[^/]+$/.test(name) ? mode | 0o755 : mode;
}

async function link(
  entry: Entry,
  temporary: string,
  open: () => Promise<NodeJS.ReadableStream>,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of await open()) chunks.push(Buffer.from(chunk));
  const target = Buffer.concat(chunks).toString('utf8');
  const inside = normalize(join(dirname(entry.fileName), target));
  if (target.startsWith('/') || inside === '..' || inside.startsWith('../')) {
    throw new Error(`symlink ${entry.fileName} points outside the charm`);
  }
  await symlink(target, temporary);
}

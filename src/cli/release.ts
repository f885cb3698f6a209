/**
 * Installs the built controller: D/release/<hash>/, D/bin/ and the link D/release/current.
 *
 * Everything that will run is copied, so that nothing reads below the clone afterwards. It starts
 * and stops nothing.
 */
import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError, systemCode } from '../../lib/std/errors.ts';

import { clone } from './clone.ts';

/** One program under several names; it acts by the name it is called by. */
const CLIENT_PROGRAM = 'hook-tool';
const CLIENT_NAMES = [CLIENT_PROGRAM, 'juju-exec', 'is-powered-off'];

export interface InstalledRelease {
  readonly hash: string;
  /** False when this very release was current already. */
  readonly changed: boolean;
}

/** The hash of the release that D/release/current names, or undefined before the first. */
export async function currentRelease(root: string): Promise<string | undefined> {
  try {
    return await readlink(join(root, 'release', 'current'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes the clone's built release the current one. What runs keeps running; older releases but the
 * one before are removed.
 *
 * @param built directory of the build, default dist/release of the clone
 * @throws OperatorError `not-built` when there is no build
 */
export async function installRelease(
  root: string,
  built: string = join(clone, 'dist', 'release'),
): Promise<InstalledRelease> {
  const files = await filesOf(built);
  const hash = await hashOf(built, files);
  const before = await currentRelease(root);
  const target = join(root, 'release', hash);
  await mkdir(join(root, 'release'), { recursive: true, mode: 0o755 });
  if (before !== hash) await copyWhole(built, target);
  await installPrograms(root, target);
  if (before === hash) return { hash, changed: false };
  await pointTo(join(root, 'release', 'current'), hash);
  await removeOthers(join(root, 'release'), [hash, before ?? hash, 'current']);
  return { hash, changed: true };
}

async function filesOf(built: string): Promise<string[]> {
  try {
    const entries = await readdir(built, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const names = files.map((entry) => join(entry.parentPath, entry.name).slice(built.length + 1));
    if (names.includes('controller.js')) return names.toSorted();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  throw new OperatorError({
    code: 'not-built',
    message: `cannot start a controller: there is no build in ${built}`,
    hint: 'run `npm run build` in the clone, or `npm start`, which does all of it',
    retry: 'never',
  });
}

async function hashOf(built: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(await readFile(join(built, file)));
  return hash.digest('hex').slice(0, 16);
}

/** A copy appears whole or not at all. */
async function copyWhole(from: string, to: string): Promise<void> {
  const temporary = `${to}.${process.pid}~`;
  await cp(from, temporary, { recursive: true });
  await rm(to, { recursive: true, force: true });
  await rename(temporary, to);
  await chmod(to, 0o755);
}

async function installPrograms(root: string, release: string): Promise<void> {
  const bin = join(root, 'bin');
  await mkdir(bin, { recursive: true, mode: 0o755 });
  await replaceProgram(process.execPath, join(bin, 'node'));
  for (const name of CLIENT_NAMES) {
    await replaceProgram(join(release, CLIENT_PROGRAM), join(bin, name));
  }
}

/** A running program's file cannot be written, but it can be replaced. Same content: left alone. */
async function replaceProgram(from: string, to: string): Promise<void> {
  if (await sameContent(from, to)) return;
  const temporary = `${to}.${process.pid}~`;
  await copyFile(from, temporary);
  await chmod(temporary, 0o755);
  await rename(temporary, to);
}

async function sameContent(one: string, other: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([readFile(one), readFile(other)]);
    return a.equals(b);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function pointTo(link: string, target: string): Promise<void> {
  const temporary = `${link}.${process.pid}~`;
  await symlink(target, temporary);
  await rename(temporary, link);
}

async function removeOthers(directory: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!keep.includes(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

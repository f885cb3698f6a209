/**
 * Makes sure that what process tests install is built from the present sources. Costs a tenth of a
 * second when it is; several test files may ask at once, and one of them builds.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from './source-tree.ts';

/** @throws when the build fails, with its first error */
export async function ensureBuilt(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(projectRoot, 'scripts', 'build.mjs')], {
    cwd: projectRoot,
  });
}

/** Path of a packed charm; it must be among those that the sources make. */
export function charmArchive(name: string): string {
  const path = join(projectRoot, 'dist', `${name}.charm`);
  if (!existsSync(path)) throw new Error(`no charm ${name} was built`);
  return path;
}

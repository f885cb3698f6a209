/**
 * Programs of system packages that fast tests call. `npm test` installs the packages, `npm run
 * check` does not: there a test whose program is missing is skipped, and says so.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** @returns why a test that calls this program is to be skipped; false where it is installed */
export function missing(program: string): string | false {
  const directories = (process.env['PATH'] ?? '').split(':').filter((path) => path !== '');
  const isThere = directories.some((directory) => existsSync(join(directory, program)));
  return isThere ? false : `${program} is not installed`;
}

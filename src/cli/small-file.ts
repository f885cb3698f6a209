/** Values of the command line that stand for a file: `@path`, at most 5 MiB, as Juju has it. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';

const LARGEST_BYTES = 5 * 1024 * 1024;

/** The value itself, or the text of the file when it begins with `@`. */
export function readSmallFile(cwd: string, value: string): string {
  if (!value.startsWith('@')) return value;
  return readText(cwd, value.slice(1));
}

/** The text of a file the operator named. */
export function readText(cwd: string, name: string): string {
  const path = resolve(cwd, name);
  try {
    if (statSync(path).size > LARGEST_BYTES) {
      throw new OperatorError({
        code: 'file-too-large',
        message: `size of option file is larger than 5M`,
        retry: 'never',
      });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError({
      code: 'cannot-read-file',
      message: `cannot read option file "${name}": ${messageOf(error)}`,
      retry: 'never',
      cause: error,
    });
  }
}

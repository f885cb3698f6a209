/**
 * Whether the controller that runs speaks as this command does. They differ when the clone is newer
 * than what was started from it: then a note says so, and an answer that cannot be understood
 * becomes one sentence instead of a stack. Refuses nothing by itself: most commands still work.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../lib/contract/gnuflag.ts';
import { digestOf } from '../../lib/std/digest.ts';
import { OperatorError } from '../../lib/std/errors.ts';
import type { ApiSources } from '../controller/api.ts';
import { clone } from './clone.ts';

const API_SOURCES: ApiSources = ['api.ts', 'api/documents.ts'];
const HINT = '`npm start` brings it up to date; databases keep running';
/** What a controller answers to a verb, or to fields of it, that it does not know. */
const CODES_OF_ANOTHER = ['unknown-verb', 'bad-request'];

/** Digest of what this command believes of the interface. */
export function ownApi(directory: string = join(clone, 'src', 'controller')): string {
  return digestOf(
    API_SOURCES.map((name) => readFileSync(join(directory, name), 'utf8')).join('\0'),
  );
}

/** @param heard see `Connection.heard` in client.ts */
export function noteOfRelease(heard: string | undefined, own = ownApi): string | undefined {
  if (heard === undefined || heard === own()) return undefined;
  return `The controller is of another release than this command: ${HINT}`;
}

/** The error itself, unless the two releases explain it. */
export function explained(error: unknown, heard: string | undefined, own = ownApi): unknown {
  if (heard === undefined || isPlain(error) || heard === own()) return error;
  return new OperatorError({
    code: 'release-differs',
    message: 'cannot understand the controller: it is of another release than this command',
    hint: HINT,
    retry: 'never',
    cause: error,
  });
}

/** It says what it means, whichever release it comes from. */
function isPlain(error: unknown): boolean {
  if (error instanceof OperatorError) return !CODES_OF_ANOTHER.includes(error.code);
  return error instanceof UsageError || (error instanceof Error && error.name === 'AbortError');
}

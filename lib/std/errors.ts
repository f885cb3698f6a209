/**
 * The one error type an operator is meant to read, and how it is shown.
 *
 * Everything else that is thrown is a bug: it keeps its stack and ends the process.
 */
export type Retry = 'now' | 'next-event' | 'never';

export interface OperatorErrorOptions {
  /** Stable kebab-case code, listed in docs/reference/errors.md. */
  code: string;
  /** "cannot …", lower case, names the object and the value, never a secret. */
  message: string;
  /** When trying again makes sense; default 'next-event'. */
  retry?: Retry;
  /** What the operator can do about it. */
  hint?: string;
  cause?: unknown;
}

export class OperatorError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly hint: string | undefined;

  constructor(options: OperatorErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OperatorError';
    this.code = options.code;
    this.retry = options.retry ?? 'next-event';
    this.hint = options.hint;
  }
}

/** The message of anything thrown, without a stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a Node system error (ENOENT, ECONNREFUSED, …), if it has one. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

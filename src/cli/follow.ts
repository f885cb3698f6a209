/**
 * Follows one answer of the controller as it changes; does not poll: a wait is one request.
 *
 * Outlives the controller: one that is gone is looked for, and started, again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../lib/std/errors.ts';
import type { Verb, Verbs } from '../controller/api.ts';
import type { Answer, Api } from './client.ts';

export interface Following<T, R> {
  /** Called with every differing answer; something other than undefined ends it. */
  readonly seen: (answer: T) => R | undefined;
  /** Undefined: for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
  /** Longest time between two calls of `seen`, for those who show elapsed time. */
  readonly everyMs?: number;
}

/** Losing the controller this often without an answer in between is a failure of its own. */
const MOST_LOSSES = 5;
const AFTER_LOSS_MS = 500;

/** @returns what `seen` returned, or undefined when the time was over */
export async function follow<V extends Verb, R>(
  api: Api,
  verb: V,
  request: Verbs[V]['request'],
  following: Following<Verbs[V]['answer'], R>,
): Promise<R | undefined> {
  const { seen, signal } = following;
  const deadline = Date.now() + (following.timeoutMs ?? Number.POSITIVE_INFINITY);
  let etag: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const waitMs = Math.max(0, Math.min(deadline - Date.now(), following.everyMs ?? 30_000));
    const options = { etag, waitMs, signal };
    const answer = await despiteLosses(() => api.watch(verb, request, options), signal);
    etag = answer.etag;
    const result = seen(answer.body);
    if (result !== undefined) return result;
    if (Date.now() >= deadline) return undefined;
  }
}

/** Only for what reads: asking twice does no harm. */
async function despiteLosses<T>(
  ask: () => Promise<Answer<T>>,
  signal: AbortSignal,
): Promise<Answer<T>> {
  for (let losses = 1; ; losses += 1) {
    try {
      return await ask();
    } catch (error) {
      const lost = error instanceof OperatorError && error.code === 'controller-lost';
      if (!lost || losses >= MOST_LOSSES) throw error;
      await delay(AFTER_LOSS_MS, undefined, { signal });
    }
  }
}

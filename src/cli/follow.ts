/** Follows one answer of the controller as it changes; does not poll: a wait is one request. */
import type { Verb, Verbs } from '../controller/api.ts';
import type { Api } from './client.ts';

export interface Following<T, R> {
  /** Called with every differing answer; something other than undefined ends it. */
  readonly seen: (answer: T) => R | undefined;
  /** Undefined: for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
  /** Longest time between two calls of `seen`, for those who show elapsed time. */
  readonly everyMs?: number;
}

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
    const answer = await api.watch(verb, request, { etag, waitMs, signal });
    etag = answer.etag;
    const result = seen(answer.body);
    if (result !== undefined) return result;
    if (Date.now() >= deadline) return undefined;
  }
}

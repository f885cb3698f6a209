/**
 * Spans: what took how long, and within what. Whoever wants to know collects them; while nobody
 * does, tracing costs one comparison.
 *
 * What is said in names, attributes and errors is shown to whoever reads traces: nothing secret.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { messageOf } from './errors.ts';

export interface Span {
  /** 16 hexadecimal digits. */
  id: string;
  /** The span that it happened in. */
  parent?: string;
  name: string;
  /** Milliseconds since the epoch, with fractions. */
  start: number;
  end: number;
  attributes: Record<string, string>;
  /** Why it failed. */
  error?: string;
}

/** One event: its spans, and whose they are. */
export interface Trace {
  /** 32 hexadecimal digits. */
  id: string;
  /** What all spans have in common: the unit, its application, its model. */
  resource: Record<string, string>;
  spans: Span[];
}

const finished = channel('pgcharm:span');
const enclosing = new AsyncLocalStorage<string>();

/** Does `work`, and tells whoever collects how long it took and whether it failed. */
export async function traced<T>(
  name: string,
  attributes: Record<string, string>,
  work: () => Promise<T>,
): Promise<T> {
  if (!finished.hasSubscribers) return work();
  const parent = enclosing.getStore();
  const id = randomBytes(8).toString('hex');
  const span: Span = { id, ...(parent && { parent }), name, start: now(), end: 0, attributes };
  try {
    return await enclosing.run(id, work);
  } catch (error) {
    span.error = messageOf(error);
    throw error;
  } finally {
    span.end = now();
    finished.publish(span);
  }
}

/** Collects what ends from now on. @returns how to stop, which gives the trace */
export function collectSpans(resource: Record<string, string>): () => Trace {
  const spans: Span[] = [];
  const keep = (span: unknown) => spans.push(span as Span);
  finished.subscribe(keep);
  return () => {
    finished.unsubscribe(keep);
    return { id: randomBytes(16).toString('hex'), resource, spans };
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Long polls: an answer once it differs, told by changes of the store. */
import { createHash } from 'node:crypto';
import type { Store } from '../state/store.ts';

/** A busy model changes many times a second; a watcher need not see each state. */
const SETTLE_MS = 100;

export interface Waiting<T> {
  readonly compute: () => T | Promise<T>;
  readonly differs: (answer: T) => boolean;
  readonly waitMs: number;
  /** Calls the listener when the client is no longer there. */
  readonly gone: (listener: () => void) => void;
}

/** Names a value by its content. */
export function etagOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

/** The first answer that differs, or the last one when the time is over or the client is gone. */
export async function changedAnswer<T>(store: Store, waiting: Waiting<T>): Promise<T> {
  const bell = new Bell();
  const unsubscribe = store.onChange(() => bell.ring());
  const timer = setTimeout(() => bell.end(), waiting.waitMs);
  waiting.gone(() => bell.end());
  try {
    for (;;) {
      const answer = await waiting.compute();
      if (bell.ended || waiting.differs(answer)) return answer;
      await bell.heard();
    }
  } finally {
    unsubscribe();
    clearTimeout(timer);
    bell.end();
  }
}

/** Rings that come while nobody listens, or close together, count as one. */
class Bell {
  ended = false;
  #rung = false;
  #wake: (() => void) | undefined;
  #settle: NodeJS.Timeout | undefined;

  ring(): void {
    this.#rung = true;
    if (this.#wake !== undefined) this.#settle ??= setTimeout(() => this.#wake?.(), SETTLE_MS);
  }

  end(): void {
    this.ended = true;
    this.#wake?.();
  }

  async heard(): Promise<void> {
    if (this.ended) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#rung) this.ring();
    });
    clearTimeout(this.#settle);
    this.#settle = undefined;
    this.#wake = undefined;
    this.#rung = false;
  }
}

/**
 * Lets a probe fail once before it counts as unknown: on a busy machine a single answer comes late,
 * and every change to unknown and back would wake the charm twice.
 */
import type { Observed } from '../../charm/model/world.ts';

const FAILURES = 2;

export class Steady {
  #failures = 0;

  /** @returns `now`, or `before` while too few failures have followed each other */
  settle<T>(before: Observed<T>, now: Observed<T>): Observed<T> {
    this.#failures = now.known ? 0 : this.#failures + 1;
    return before.known && this.#failures > 0 && this.#failures < FAILURES ? before : now;
  }
}

/**
 * One execution at a time on each machine. Actions with `parallel` take no lock; those of an
 * execution group share a lock of their own beside the machine's.
 */
export class MachineLocks {
  readonly #tails = new Map<string, Promise<void>>();

  /** Waits for its turn, first come first served. @returns a function that gives the lock back */
  async acquire(name: string): Promise<() => void> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before.then(() => promise);
    this.#tails.set(name, tail);
    await before;
    return () => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
      resolve();
    };
  }
}

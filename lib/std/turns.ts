/**
 * Work that must not run beside other work of its kind: one after the other, in the order in which
 * it was asked for. Work that fails holds up nobody.
 */
export class Turns {
  #tail: Promise<unknown> = Promise.resolve();

  /** @returns what `work` answers when its turn has come and gone */
  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

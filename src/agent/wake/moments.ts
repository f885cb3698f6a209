/**
 * Moments at which the charm wants to be woken, whatever else is: the ends of certificates. Each
 * counts once; one that passed while no agent ran counts at its start. Holds no timer.
 */
export class Moments {
  #counted: ReadonlySet<number> = new Set();

  /** @returns whether one of them (milliseconds since 1970) has passed that did not count yet */
  passed(at: readonly number[], now: number): boolean {
    const due = at.filter((moment) => moment <= now);
    const isNew = due.some((moment) => !this.#counted.has(moment));
    this.#counted = new Set(due);
    return isNew;
  }
}

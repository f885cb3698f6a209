/**
 * A value that must not reach a log, an error text or a plan by accident.
 *
 * Printing, concatenating or serialising it gives `***`; only reveal() gives the value.
 */
import { inspect } from 'node:util';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}

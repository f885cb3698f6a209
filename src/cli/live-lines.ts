/**
 * Lines of progress that change: redrawn in place on a terminal, otherwise one plain line for each
 * that is new or says something else.
 */
import type { Output } from './output.ts';

export interface LiveLine {
  readonly name: string;
  readonly text: string;
  /** What has to change for a plain line to be printed again; elapsed time is not in it. */
  readonly state: string;
}

export class LiveLines {
  readonly #out: Output;
  readonly #printed = new Map<string, string>();
  #height = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  show(lines: readonly LiveLine[]): void {
    if (this.#out.liveProgress) this.#redraw(lines.map((line) => line.text));
    else this.#printChanged(lines);
  }

  #redraw(lines: readonly string[]): void {
    const up = this.#height === 0 ? '' : `\x1b[${this.#height}A`;
    const width = Math.max(20, this.#out.columns - 1);
    const rows = lines.map((line) => `\x1b[2K${[...line].slice(0, width).join('')}\n`);
    // \x1b[J clears what is left below of a longer drawing.
    this.#out.progress(`${up}${rows.join('')}\x1b[J`);
    this.#height = lines.length;
  }

  #printChanged(lines: readonly LiveLine[]): void {
    for (const { name, text, state } of lines) {
      if (this.#printed.get(name) === state) continue;
      this.#printed.set(name, state);
      this.#out.progress(`${text}\n`);
    }
  }
}

/**
 * The CLI's two streams: data on stdout, everything said to people on stderr.
 *
 * A reader that went away (EPIPE) ends the program quietly, as in any pipeline.
 */
import { stringify } from 'yaml';
import { goJson } from './go-json.ts';

export interface Output {
  /** True when stdout is a terminal. */
  readonly terminal: boolean;
  /** True when stderr is a terminal: progress may redraw its lines. */
  readonly liveProgress: boolean;
  readonly columns: number;
  /** Writes to stdout, as is. */
  data(text: string): void;
  /** Whether anything went to stdout yet. */
  wroteData(): boolean;
  /** One line on stderr. */
  say(line: string): void;
  /** Writes to stderr, as is. */
  progress(text: string): void;
}

export function processOutput(quiet: boolean): Output {
  let wrote = false;
  return {
    terminal: process.stdout.isTTY === true,
    liveProgress: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? 120,
    data(text) {
      wrote = true;
      process.stdout.write(text);
    },
    wroteData: () => wrote,
    say: (line) => void (quiet || process.stderr.write(`${line}\n`)),
    progress: (text) => void (quiet || process.stderr.write(text)),
  };
}

/** A document as `json` (one line, as Go writes it) or `yaml`. */
export function formatted(document: unknown, format: string): string {
  if (format === 'json') return `${goJson(document)}\n`;
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, indentSeq: false });
}

/**
 * Something that is done again and again: at its own pace, and at once when nudged. Runs never
 * overlap; a nudge during a run makes exactly one more. Never throws.
 */
import { messageOf } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';

export interface LoopOptions {
  name: string;
  /** Milliseconds until the next run, asked after each. */
  everyMs(): number;
  run(): Promise<void>;
  /** A run may last for as long as it likes; otherwise one that lasts for minutes is reported. */
  patient?: boolean;
  log: Log;
}

/** No run has a reason to last longer; one that does is worth a word in the log, each time. */
const LONG_RUN_MS = 60_000;

export class Loop {
  readonly #options: LoopOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = true;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.nudge();
  }

  /** Runs now, or once more when it is running. */
  nudge(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#once();
  }

  /** Like nudge(), and answers when a run that began after this call has ended. */
  async fresh(): Promise<void> {
    const before = this.#running;
    this.nudge();
    await before;
    await this.#running;
  }

  /** No run begins after this; waits for the one in progress. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #once(): Promise<void> {
    const { name, log, patient = false } = this.#options;
    const report = () => log.error(`${name} does not end`);
    const long = patient ? undefined : setInterval(report, LONG_RUN_MS);
    try {
      await this.#options.run();
    } catch (error) {
      // A bug in one watch must not end the agent that routes the pooler.
      log.error(`${name} failed: ${messageOf(error)}`, {
        stack: error instanceof Error ? error.stack : undefined,
      });
    }
    clearInterval(long);
    this.#running = undefined;
    if (this.#stopped) return;
    if (this.#again) {
      this.#again = false;
      this.#running = this.#once();
      return;
    }
    this.#timer = setTimeout(() => this.nudge(), this.#options.everyMs());
  }
}

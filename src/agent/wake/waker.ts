/**
 * Wakes the charm when the coarse facts differ from those at the last wake, when the charm asked to
 * be woken later, or when another agent asks. One wake is outstanding at most; failures back off.
 */
import { spawn } from 'node:child_process';
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';

/** Facts that change together should cause one wake, not three. */
const GATHER_MS = 150;
const MIN_PAUSE_MS = 500;
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;
/** juju-exec waits for the unit's queue, which may hold a long action. */
const WAKE_TIMEOUT_MS = 60 * 60 * 1000;

export interface WakerOptions {
  /** argv; undefined while it is not known. */
  command(): string[] | undefined;
  /** Text that differs when a hook might decide differently; see decide/wake.ts. */
  digest(): string;
  log: Log;
  /** Carries out one wake; default: runs the command. */
  run?(command: string[]): Promise<void>;
}

export class Waker {
  readonly #options: WakerOptions;
  #seen: string | undefined;
  #demanded = false;
  #outstanding: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #notBefore = 0;
  #failures = 0;
  #stopped = false;
  #count = 0;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  /** Wakes carried out, and failures in a row. */
  get counters(): { wakes: number; failures: number } {
    return { wakes: this.#count, failures: this.#failures };
  }

  /** Something was observed; cheap, and may be called for every observation. */
  consider(): void {
    if (this.#demanded || this.#options.digest() !== this.#seen) this.#plan(GATHER_MS);
  }

  /** Wakes whatever the facts are. */
  demand(): void {
    this.#demanded = true;
    this.#plan(0);
  }

  /** Wakes when this time has passed, unless a wake comes earlier. */
  after(ms: number): void {
    const timer = setTimeout(() => this.demand(), ms);
    timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #plan(delayMs: number): void {
    if (this.#stopped || this.#outstanding !== undefined) return;
    const dueAt = Math.max(Date.now() + delayMs, this.#notBefore);
    if (this.#timer !== undefined && this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#fire(), dueAt - Date.now());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
    const command = this.#options.command();
    if (this.#stopped || command === undefined) return;
    const digest = this.#options.digest();
    if (!this.#demanded && digest === this.#seen) return;
    this.#demanded = false;
    this.#outstanding = this.#wake(command, digest).finally(() => {
      this.#outstanding = undefined;
      this.consider();
    });
  }

  async #wake(command: string[], digest: string): Promise<void> {
    try {
      await (this.#options.run ?? runCommand)(command);
      // What changed while the hook ran differs from this and wakes again.
      this.#seen = digest;
      this.#failures = 0;
      this.#count += 1;
      this.#notBefore = Date.now() + MIN_PAUSE_MS;
    } catch (error) {
      const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS);
      this.#failures += 1;
      this.#demanded = true;
      this.#notBefore = Date.now() + backoffMs;
      const reason = messageOf(error);
      this.#options.log.warning(`cannot wake the charm: ${reason}`, { retryMs: backoffMs });
    }
  }
}

async function runCommand(command: string[]): Promise<void> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('desired.json holds no command');
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGTERM'), WAKE_TIMEOUT_MS);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-500);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr.trim()}`);
  } finally {
    clearTimeout(timer);
  }
}

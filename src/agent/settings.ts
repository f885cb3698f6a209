/**
 * desired.json as the agent sees it: read at start, on every change of the file and when nudged.
 * Refuses a version newer than it knows and anything unreadable, and goes on with what it had.
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../lib/std/errors.ts';
import { readIfExists } from '../../lib/std/files.ts';
import type { Log } from '../../lib/std/log.ts';
import { DESIRED_VERSION, type Desired } from '../charm/model/desired.ts';

const FILE = 'desired.json';
const RECHECK_MS = 5000;

export class Settings {
  readonly #path: string;
  readonly #log: Log;
  readonly #changed: (desired: Desired) => void;
  #current: Desired | undefined;
  #text = '';
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(dir: string, log: Log, changed: (desired: Desired) => void) {
    this.#path = join(dir, FILE);
    this.#log = log;
    this.#changed = changed;
  }

  get current(): Desired | undefined {
    return this.#current;
  }

  async start(dir: string): Promise<void> {
    await this.reload();
    // The file is replaced by renaming, so the directory is what has to be watched.
    this.#watcher = watch(dir, { persistent: false }, (_, name) => {
      if (name === FILE) void this.reload();
    });
    this.#watcher.on('error', () => undefined);
    // A lost notification costs seconds, not for ever.
    this.#timer = setInterval(() => void this.reload(), RECHECK_MS);
  }

  stop(): void {
    this.#watcher?.close();
    clearInterval(this.#timer);
  }

  async reload(): Promise<void> {
    try {
      const text = await readIfExists(this.#path);
      if (text === undefined || text === this.#text) return;
      this.#text = text;
      const desired = parseDesired(text);
      this.#current = desired;
      this.#changed(desired);
    } catch (error) {
      this.#log.warning(`cannot use ${this.#path}: ${messageOf(error)}`);
    }
  }
}

/** @throws Error that says why the text cannot be used */
export function parseDesired(text: string): Desired {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('version' in value)) {
    throw new Error('it holds no version');
  }
  if (value.version !== DESIRED_VERSION) {
    throw new Error(`its version is ${String(value.version)}, known is ${DESIRED_VERSION}`);
  }
  // The hook of the same revision wrote it; versions differ when that is not so.
  return value as Desired;
}

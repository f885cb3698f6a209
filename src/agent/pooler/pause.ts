/**
 * Holds the clients of this unit's pooler while the primary moves, and never longer than said: a
 * timer resumes when nobody else does. Only transaction pools can be held, since a session pool
 * waits for its clients to leave.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { PoolerAdmin } from '../../charm/workload/ports.ts';

export interface PoolerControl {
  /** @returns whether clients are held now, and how many a session pool would lose */
  hold(windowMs: number): Promise<{ held: boolean; clients: number }>;
  /** Waits until the pooler leads to this address, but not for ever; '' waits for nothing. */
  release(primary: string): Promise<void>;
}

/** A transaction that is open for longer than this is not waited for: its pooler is not held. */
const PAUSE_MS = 2000;

export class Pause {
  readonly #console: () => PoolerAdmin;
  readonly #log: Log;
  #deadMan: NodeJS.Timeout | undefined;

  constructor(console: () => PoolerAdmin, log: Log) {
    this.#console = console;
    this.#log = log;
  }

  /** This agent holds the clients; a pause without it was left by one that is gone. */
  get active(): boolean {
    return this.#deadMan !== undefined;
  }

  /** @throws OperatorError `pooler-timeout` or `pooler-unreachable`; then nobody is held */
  async begin(windowMs: number): Promise<void> {
    clearTimeout(this.#deadMan);
    this.#deadMan = setTimeout(() => {
      this.#log.warning('clients were held for too long and go on', { windowMs });
      void this.end();
    }, windowMs);
    try {
      await this.#console().pause(PAUSE_MS);
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    clearTimeout(this.#deadMan);
    this.#deadMan = undefined;
    try {
      await this.#console().resume();
    } catch (error) {
      // A PgBouncer that does not answer has been restarted, or will be: it comes back unpaused.
      this.#log.warning(`cannot resume the pooler: ${messageOf(error)}`);
    }
  }

  /** Number of client connections, for those who will lose them. */
  async clients(): Promise<number> {
    const rows = await this.#console().show('CLIENTS');
    return rows.filter((row) => row['database'] !== 'pgbouncer').length;
  }
}

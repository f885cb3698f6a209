/**
 * Holds the clients of this unit's pooler, for work that moves the primary or because the primary
 * is lost, and never longer than said: each has a timer that lets go when nobody else does. Clients
 * go on when the last of the two has let go.
 */
import { poll } from '../../../lib/std/clock.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { Turns } from '../../../lib/std/turns.ts';
import type { PoolerAdmin } from '../../charm/workload/ports.ts';

export interface PoolerControl {
  /**
   * @returns whether clients are held now; how many a session pool would lose
   * @throws OperatorError `pooler-timeout` when a transaction stays open, `pooler-unreachable`;
   *   then nobody is held
   */
  hold(windowMs: number): Promise<{ held: boolean; clients: number }>;
  /** Waits until the pooler leads to this address, but not for ever; '' waits for nothing. */
  release(primary: string): Promise<void>;
}

export type Holder = 'work' | 'failover';

/** Work waits this long for open transactions: all other clients wait for them as well. */
const REST_MS = 2000;
/** Servers are logged in within milliseconds. */
const LOGIN_MS = 500;
/** Pools of a lost primary come to rest when its last connection ends; nothing waits for that. */
const SEIZE_MS = 200;

export class Pause {
  readonly #console: () => PoolerAdmin;
  readonly #log: Log;
  readonly #deadMen = new Map<Holder, NodeJS.Timeout>();
  /** Commands to the console, one after the other. */
  readonly #turns = new Turns();

  constructor(console: () => PoolerAdmin, log: Log) {
    this.#console = console;
    this.#log = log;
  }

  /** This agent holds the clients; a pause without it was left by one that is gone. */
  get active(): boolean {
    return this.#deadMen.size > 0;
  }

  has(holder: Holder): boolean {
    return this.#deadMen.has(holder);
  }

  /** For work: answers when no statement and no transaction is in progress. Throws as `hold`. */
  async begin(windowMs: number): Promise<void> {
    if (this.has('failover')) throw primaryLost();
    this.#arm('work', windowMs);
    try {
      await this.#turns.take(async () => {
        await this.#untilNobodyLogsIn();
        await this.#console().pause(REST_MS);
      });
    } catch (error) {
      await this.end('work');
      throw error;
    }
  }

  /** For a lost primary: answers at once; what is in progress there fails or hangs by itself. */
  async seize(windowMs: number): Promise<void> {
    const already = this.active;
    this.#arm('failover', windowMs);
    if (already) return;
    await this.#turns
      .take(() => this.#console().pause(SEIZE_MS))
      .catch((error: unknown) => {
        const restless = error instanceof OperatorError && error.code === 'pooler-timeout';
        if (!restless) this.#log.warning(`clients cannot be held: ${messageOf(error)}`);
      });
  }

  /** No longer holds, and leaves it to the other holder to let clients go on. */
  leave(holder: Holder): void {
    clearTimeout(this.#deadMen.get(holder));
    this.#deadMen.delete(holder);
  }

  /** Safe to repeat. */
  async end(holder: Holder): Promise<void> {
    this.leave(holder);
    if (this.active) return;
    try {
      await this.#turns.take(async () => {
        // Somebody may have begun again while this waited for its turn.
        if (!this.active) await this.#console().resume();
      });
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

  /** How many clients wait for a server, those that are still logging in included. */
  async waiting(): Promise<number> {
    const rows = await this.#console().show('POOLS');
    return rows.reduce((sum, row) => sum + Number(row['cl_waiting']), 0);
  }

  /**
   * A pause cuts off a server that is just logging in, which counts as a login that has failed; and
   * after one PgBouncer turns clients away until the next has succeeded. A primary that refuses
   * logins keeps nobody waiting here for long.
   */
  async #untilNobodyLogsIn(): Promise<void> {
    const nobody = async () => {
      const rows = await this.#console().show('POOLS');
      return rows.every((row) => Number(row['sv_login'] ?? 0) === 0) || undefined;
    };
    await poll(nobody, { timeoutMs: LOGIN_MS, everyMs: 5 });
  }

  #arm(holder: Holder, windowMs: number): void {
    clearTimeout(this.#deadMen.get(holder));
    const timer = setTimeout(() => {
      this.#log.warning('clients were held for too long and go on', { holder, windowMs });
      void this.end(holder);
    }, windowMs);
    this.#deadMen.set(holder, timer);
  }
}

function primaryLost(): OperatorError {
  return new OperatorError({
    code: 'pooler-busy',
    message: 'cannot hold clients: they wait already, because the primary is lost',
    hint: 'try again when there is a primary',
    retry: 'now',
  });
}

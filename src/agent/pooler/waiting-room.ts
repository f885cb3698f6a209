/**
 * Makes the clients of this unit's pooler wait while the primary is lost, and ends their wait: the
 * state and the clock behind decide/holding.ts. The pooler's files are the keeper's business.
 */
import type { Log } from '../../../lib/std/log.ts';
import type { PoolerWish } from '../../charm/model/desired.ts';
import { decideHolding, type Holding, type HoldingInput, OPEN } from '../decide/holding.ts';
import type { Pause } from './pause.ts';

/** The decision to end a wait comes first; the pause itself ends by then, whatever happens. */
const GRACE_MS = 5000;

export type Seen = Pick<HoldingInput, 'route' | 'pulse' | 'confirmed'>;

export class WaitingRoom {
  readonly #pause: Pause;
  readonly #log: Log;
  #holding: Holding = OPEN;

  constructor(pause: Pause, log: Log) {
    this.#pause = pause;
    this.#log = log;
  }

  /** Clients wait, or are refused: a primary must be looked for often. */
  get occupied(): boolean {
    return this.#holding.state !== 'open';
  }

  /** Clients are to be led to what refuses them. */
  get refuses(): boolean {
    return this.#holding.state === 'refused';
  }

  /** Decides anew, and holds the clients at once where that is decided. */
  async consider(seen: Seen, { failoverWait }: PoolerWish): Promise<void> {
    const before = this.#holding;
    const windowMs = failoverWait.seconds * 1000;
    const counts = before.state === 'held' && failoverWait.clients !== undefined;
    this.#holding = decideHolding({
      ...seen,
      now: before,
      at: performance.now(),
      windowMs,
      maxWaiting: failoverWait.clients,
      // A pooler that does not answer has nobody waiting.
      waiting: counts ? await this.#pause.waiting().catch(() => 0) : 0,
    });
    if (this.#holding.state === before.state) return;
    this.#log.info(`clients: ${this.#holding.state}`, { route: seen.route });
    if (this.#holding.state === 'held') await this.#pause.seize(windowMs + GRACE_MS);
  }

  /**
   * To be called when the pooler leads where it shall: lets those go who wait no longer.
   *
   * @param moved it leads to another primary than when work began to hold clients: the work need
   *   not be waited for, which has nothing else to do for them
   */
  async settle(moved: boolean): Promise<void> {
    if (this.#holding.state === 'held' || !this.#pause.has('failover')) return;
    if (moved) this.#pause.leave('work');
    await this.#pause.end('failover');
  }
}

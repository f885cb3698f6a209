/**
 * A standing connection to the server that the pooler leads to, for one question: does it still
 * accept writes? Its end is noticed within milliseconds of a crash; a server that is frozen is
 * noticed by a question that stays unanswered. Changes nothing, reads no catalogue.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../../lib/std/log.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import { isSilent, refusesEverybody, TICK_MS } from '../decide/silence.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';

const BEAT_MS = 1000;
/** Between logins at a server that is lost; after a while it is not worth as many. */
const RETRY_MS = 100;
const HURRY_MS = 60_000;
/** After an end of the connection the server has this long to let us in again before it counts. */
const CONFIRM_MS = 70;
/** Nothing of this is ever cut off by the server or by the library: silence is judged here. */
const NO_LIMIT_MS = 3_600_000;
/** Between logins beside a connection that has fallen silent; a frozen server queues them up. */
const ANEW_MS = 3000;
/** Answered without a catalogue, a lock or a snapshot. */
const QUESTION = 'SHOW transaction_read_only';
const IN_RECOVERY = 'SELECT pg_catalog.pg_is_in_recovery() AS replica';

interface Open {
  address: string;
  sql: SqlPort;
}

export class PulseWatch {
  readonly loop: Loop;
  readonly #facts: Facts;
  readonly #clients: Pick<Clients, 'sqlAt'>;
  readonly #log: Log;
  readonly #target: () => string | undefined;
  #open: Open | undefined;
  #triedAnewAt = Number.NEGATIVE_INFINITY;
  #heardAt = performance.now();

  /** @param target the address that the pooler leads to */
  constructor(
    facts: Facts,
    clients: Pick<Clients, 'sqlAt'>,
    log: Log,
    target: () => string | undefined,
  ) {
    this.#facts = facts;
    this.#clients = clients;
    this.#log = log;
    this.#target = target;
    this.loop = new Loop({
      name: 'pulse of the primary',
      log,
      // A question to a frozen server stays open until it thaws, or clients are led elsewhere.
      patient: true,
      everyMs: () => {
        const hurries = performance.now() - this.#heardAt < HURRY_MS;
        return this.#facts.now.pulse?.state !== 'beating' && hurries ? RETRY_MS : BEAT_MS;
      },
      run: () => this.#run(),
    });
  }

  async stop(): Promise<void> {
    const ended = this.loop.stop();
    this.#drop();
    await ended;
  }

  async #run(): Promise<void> {
    const address = this.#target();
    if (this.#open !== undefined && this.#open.address !== address) this.#drop();
    if (address === undefined) {
      this.#facts.set('pulse', undefined);
      return;
    }
    if (this.#open === undefined) await this.#login(address);
    else await this.#ask(this.#open);
  }

  async #login(address: string): Promise<void> {
    try {
      const sql = await this.#clients.sqlAt(address, NO_LIMIT_MS);
      const mine = { address, sql };
      this.#open = mine;
      void sql.closed.then(() => this.#ended(mine));
      const [row] = await sql.query<{ replica: boolean }>(IN_RECOVERY);
      if (this.#open !== mine) return;
      if (row?.replica === false) return this.#beats(address);
      this.#drop();
      this.#loses(address, 'it is in recovery');
    } catch (error) {
      this.#drop();
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      if (refusesEverybody(cause)) this.#loses(address, String(cause));
    }
  }

  /** Comes back when there is an answer, however late, or nothing is to be heard any more. */
  async #ask(open: Open): Promise<void> {
    const answer = open.sql.query(QUESTION).then(
      () => 'answered' as const,
      () => 'ended' as const,
    );
    for (let ticks = 0; this.#open === open && this.#target() === open.address; ticks++) {
      const heard = await Promise.race([answer, delay(TICK_MS, 'nothing' as const)]);
      if (heard === 'answered') return this.#beats(open.address);
      if (heard === 'ended') return this.#ended(open);
      if (!isSilent(ticks + 1, leaderless(this.#facts))) continue;
      this.#loses(open.address, 'it is silent');
      this.#tryAnew(open);
    }
  }

  /**
   * A network that was mended carries the old connection again only after as long as it was
   * broken, and never from an address that this unit no longer has. A new one that gets through
   * replaces it.
   */
  #tryAnew(open: Open): void {
    if (performance.now() - this.#triedAnewAt < ANEW_MS) return;
    this.#triedAnewAt = Number.POSITIVE_INFINITY;
    void this.#letsIn(open.address).then((lets) => {
      this.#triedAnewAt = performance.now();
      if (!lets || this.#open !== open) return;
      this.#drop();
      this.loop.nudge();
    });
  }

  async #letsIn(address: string): Promise<boolean> {
    try {
      const sql = await this.#clients.sqlAt(address);
      const [row] = await sql
        .query<{ replica: boolean }>(IN_RECOVERY)
        .finally(() => void sql.close().catch(() => undefined));
      return row?.replica === false;
    } catch {
      return false;
    }
  }

  /** Somebody may have ended just this session: a server that lets us in at once is not lost. */
  #ended(open: Open): void {
    if (this.#open !== open) return;
    this.#drop();
    this.loop.nudge();
    setTimeout(() => {
      if (this.#open === undefined) this.#loses(open.address, 'it has ended the connection');
    }, CONFIRM_MS).unref();
  }

  #beats(address: string): void {
    const before = this.#facts.now.pulse;
    if (before?.address === address && before.state === 'lost') {
      this.#log.info('the primary accepts writes again', { address });
    }
    this.#heardAt = performance.now();
    this.#facts.set('pulse', { address, state: 'beating' });
  }

  #loses(address: string, reason: string): void {
    const before = this.#facts.now.pulse;
    if (before?.address !== address || before.state !== 'beating') return;
    this.#log.warning('the primary is lost', { address, reason });
    this.#facts.set('pulse', { address, state: 'lost' });
  }

  #drop(): void {
    const open = this.#open;
    this.#open = undefined;
    void open?.sql.close().catch(() => undefined);
  }
}

function leaderless({ now }: Facts): boolean {
  return now.patroni.known && !now.patroni.value.members.some(({ role }) => role === 'primary');
}

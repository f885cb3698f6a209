/**
 * Carries out work across units: claims the record in etcd, runs the phases of its kind in order,
 * keeps the owner's lease alive, and takes over what another agent left unfinished.
 *
 * Knows no kind by name. Whatever happens, a record ends as done or failed.
 */
import { randomUUID } from 'node:crypto';
import { formatDurationMs } from '../../../lib/std/duration.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { Turns } from '../../../lib/std/turns.ts';
import type { WorkView } from '../../charm/model/world.ts';
import type { EtcdPort } from '../../charm/workload/ports.ts';
import { decideWork } from '../decide/work.ts';
import { Loop } from '../loop.ts';
import type { SettledPlace, WorkContext, WorkKind } from './kind.ts';
import { type StoredWork, viewOf, type WorkRecord, type WorkStore, withLine } from './record.ts';
import { draftRun, HeldRecord, type Run } from './run.ts';

const LEASE_SECONDS = 6;
const KEEPALIVE_MS = 2000;
const CALM_MS = 5000;
/** How long undoing may take when the work's own time is over. */
const UNDO_MS = 60_000;

export interface EngineOptions {
  store: WorkStore;
  etcd(): Pick<EtcdPort, 'grant' | 'keepAlive'>;
  kinds: readonly WorkKind[];
  /** This unit's name. */
  self(): string;
  context(run: Run): WorkContext;
  /** Of this unit, for what needs no record. */
  place(): SettledPlace;
  /** The newest record, whoever carries it out. */
  seen(view: WorkView | undefined): void;
  log: Log;
}

export class WorkEngine {
  readonly loop: Loop;
  readonly #options: EngineOptions;
  #running: { id: string; stop: AbortController; ended: Promise<void> } | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: 'work',
      log: options.log,
      everyMs: () => CALM_MS,
      run: () => this.#look(),
    });
  }

  /**
   * @returns id of the new record
   * @throws OperatorError `no-such-work`, `work-in-progress`, or the kind's own refusal
   */
  async start(kindName: string, params: Record<string, string>): Promise<string> {
    const { store, self, etcd } = this.#options;
    const kind = this.#kind(kindName);
    const existing = await store.read();
    if (existing?.record.outcome === 'running') throw inProgress(existing.record);
    const record = newRecord(kind, self(), params);
    const draft = draftRun(kind, record);
    await kind.check(this.#options.context(draft));
    const leaseId = await etcd().grant(LEASE_SECONDS);
    if (!(await store.claim(record, existing?.revision ?? 0, leaseId))) {
      await store.release(leaseId);
      throw inProgress((await store.read())?.record ?? record);
    }
    await this.#carryOut(kind, leaseId, 'run');
    return record.id;
  }

  /** Lets go without undoing: another agent goes on. */
  async stop(): Promise<void> {
    await this.loop.stop();
    this.#running?.stop.abort();
    await this.#running?.ended;
  }

  #kind(name: string): WorkKind {
    const kind = this.#options.kinds.find((candidate) => candidate.kind === name);
    if (kind !== undefined) return kind;
    const all = this.#options.kinds.map((each) => each.kind).join(', ');
    throw new OperatorError({
      code: 'no-such-work',
      message: `cannot start work of kind ${name}: known are ${all}`,
      retry: 'never',
    });
  }

  /** Reads the record; takes it over when nobody carries it out. */
  async #look(): Promise<void> {
    const { store, self, seen, log, etcd } = this.#options;
    let stored: StoredWork | undefined;
    let ownerAlive = true;
    try {
      stored = await store.read();
      if (stored?.record.outcome === 'running') ownerAlive = await store.ownerAlive();
    } catch {
      return; // Without etcd there is no record to carry out; its watch says so.
    }
    seen(stored && viewOf(stored.record));
    const running = this.#running !== undefined;
    const situation = { self: self(), running, ownerAlive, now: Date.now() };
    const { move } = decideWork(stored?.record, situation);
    if (!running && stored?.record.outcome !== 'running') await this.#settle(stored?.record);
    if (move === 'none' || stored === undefined) return;
    const { record } = stored;
    const leaseId = await etcd().grant(LEASE_SECONDS);
    const line = `${self()} takes over from ${record.owner} in phase ${record.phase}`;
    const mine = withLine({ ...record, owner: self() }, line);
    if (!(await store.claim(mine, stored.revision, leaseId))) return await store.release(leaseId);
    log.info(line, { work: record.id, kind: record.kind });
    await this.#carryOut(this.#kind(record.kind), leaseId, move === 'adopt' ? 'run' : 'abandon');
  }

  async #settle(record: WorkRecord | undefined): Promise<void> {
    const { kinds, place, log } = this.#options;
    for (const kind of kinds) {
      await kind.settle?.(place(), record).catch((error: unknown) => {
        log.warning(`cannot put right what a ${kind.kind} left: ${messageOf(error)}`);
      });
    }
  }

  /** Answers when the work has begun; it goes on by itself. */
  async #carryOut(kind: WorkKind, leaseId: string, how: 'run' | 'abandon'): Promise<void> {
    const { store, seen } = this.#options;
    const stored = await store.read();
    if (stored === undefined) return;
    seen(viewOf(stored.record));
    const stop = new AbortController();
    const state = { stored, turns: new Turns() };
    const held = new HeldRecord(kind, stop.signal, this.#options, state);
    const keepAlive = this.#keepAlive(leaseId, stop);
    const ended = this.#phases(held, stop, how)
      .catch((error: unknown) => {
        // Only a lost record comes here: the other owner says how it ends.
        this.#options.log.warning(`work ${stored.record.id} given up: ${messageOf(error)}`);
      })
      .finally(async () => {
        clearInterval(keepAlive);
        this.#running = undefined;
        await store.release(leaseId).catch(() => undefined);
        this.loop.nudge();
      });
    this.#running = { id: stored.record.id, stop, ended };
  }

  #keepAlive(leaseId: string, stop: AbortController): NodeJS.Timeout {
    return setInterval(async () => {
      const left = await this.#options
        .etcd()
        .keepAlive(leaseId)
        .catch(() => undefined);
      // Unreachable is not lost: the lease may still be there when etcd answers again.
      if (left === 0) stop.abort(new Error('the lease was lost'));
    }, KEEPALIVE_MS);
  }

  async #phases(held: HeldRecord, stop: AbortController, how: 'run' | 'abandon'): Promise<void> {
    const { kind } = held;
    const late = setTimeout(
      () => stop.abort(new Error('the time for it is over')),
      Math.max(0, held.record().deadline - Date.now()),
    );
    try {
      if (how === 'abandon') throw new Error('its time was over before anybody took it over');
      const context = this.#options.context(held);
      for (const [index, phase] of kind.phases.entries()) {
        if (index < held.record().phaseIndex) continue;
        const startedAt = Date.now();
        await unlessAborted(phase.run(context), stop.signal);
        const line = `${phase.name}: done in ${formatDurationMs(Date.now() - startedAt)}`;
        const next = kind.phases[index + 1];
        // The end of one phase and the beginning of the next in one write: clients may wait.
        if (next !== undefined) {
          const begun = { phaseIndex: index + 1, phase: next.name };
          await held.update((now) => withLine({ ...now, ...begun }, line));
          continue;
        }
        const took = formatDurationMs(Date.now() - held.record().startedAt);
        const end = {
          outcome: 'done',
          phase: 'done',
          message: `${kind.kind} done in ${took}`,
        } as const;
        await held.update((now) => withLine({ ...now, ...end }, line));
      }
    } catch (error) {
      await this.#fail(held, error);
    } finally {
      clearTimeout(late);
    }
  }

  async #fail(held: HeldRecord, error: unknown): Promise<void> {
    if (error instanceof OperatorError && error.code === 'work-lost') throw error;
    // A stop of this agent is no failure of the work: the next owner goes on.
    if (held.signal.aborted && isStopped(held.signal)) throw error;
    const reason = explain(error);
    await held.update((now) => withLine(now, `${now.phase}: failed: ${reason}`));
    const undone = held.withSignal(AbortSignal.timeout(UNDO_MS));
    try {
      await held.kind.undo?.(this.#options.context(undone), reason);
    } catch (failure) {
      const line = `undo: failed: ${messageOf(failure)}`;
      await held.update((now) => withLine(now, line));
    }
    await held.update((now) => ({ ...now, outcome: 'failed', message: reason }));
  }
}

/** A stop() carries no reason of ours. */
function isStopped(signal: AbortSignal): boolean {
  return signal.reason instanceof DOMException;
}

function newRecord(kind: WorkKind, owner: string, params: Record<string, string>): WorkRecord {
  const startedAt = Date.now();
  return {
    id: randomUUID().slice(0, 8),
    kind: kind.kind,
    phase: kind.phases[0]?.name ?? '',
    phaseIndex: 0,
    owner,
    params,
    deadline: startedAt + kind.limitMs,
    startedAt,
    outcome: 'running',
    message: '',
    memo: {},
    result: {},
    lines: [],
    firstLine: 0,
  };
}

async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  work.catch(() => undefined);
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function explain(error: unknown): string {
  const hint = error instanceof OperatorError ? error.hint : undefined;
  return hint === undefined ? messageOf(error) : `${messageOf(error)} (${hint})`;
}

function inProgress(record: WorkRecord): OperatorError {
  return new OperatorError({
    code: 'work-in-progress',
    message: `cannot start: a ${record.kind} is in progress on ${record.owner} (${record.phase})`,
    hint: 'wait until it has ended',
    retry: 'now',
  });
}

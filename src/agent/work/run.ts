/**
 * One record of work in this agent's hands: changed in order, written fenced, announced. Before the
 * record exists a draft stands for it, so that a kind can check with the same context.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Turns } from '../../../lib/std/turns.ts';
import type { WorkView } from '../../charm/model/world.ts';
import type { WorkKind } from './kind.ts';
import { type StoredWork, viewOf, type WorkRecord, type WorkStore } from './record.ts';

export interface Run {
  readonly kind: WorkKind;
  readonly signal: AbortSignal;
  record(): WorkRecord;
  /** One change after the other. @throws OperatorError `work-lost` when another agent owns it */
  update(change: (record: WorkRecord) => WorkRecord): Promise<void>;
}

interface Announced {
  store: WorkStore;
  seen(view: WorkView | undefined): void;
}

interface State {
  stored: StoredWork;
  readonly turns: Turns;
}

export class HeldRecord implements Run {
  readonly kind: WorkKind;
  readonly signal: AbortSignal;
  readonly #options: Announced;
  readonly #state: State;

  constructor(kind: WorkKind, signal: AbortSignal, options: Announced, state: State) {
    this.kind = kind;
    this.signal = signal;
    this.#options = options;
    this.#state = state;
  }

  /** The same record, for what must go on when the first signal has ended the rest. */
  withSignal(signal: AbortSignal): HeldRecord {
    return new HeldRecord(this.kind, signal, this.#options, this.#state);
  }

  record(): WorkRecord {
    return this.#state.stored.record;
  }

  update(change: (record: WorkRecord) => WorkRecord): Promise<void> {
    const { store, seen } = this.#options;
    return this.#state.turns.take(async () => {
      const record = change(this.record());
      const revision = await insisting(() => store.write(record, this.#state.stored.revision));
      this.#state.stored = { record, revision };
      seen(viewOf(record));
    });
  }
}

export function draftRun(kind: WorkKind, record: WorkRecord): Run {
  let draft = record;
  return {
    kind,
    signal: AbortSignal.timeout(kind.limitMs),
    record: () => draft,
    update: async (change) => {
      draft = change(draft);
    },
  };
}

const ATTEMPTS = 5;

/** etcd may be electing: the very thing that moving a primary disturbs. */
async function insisting<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      const silent = error instanceof OperatorError && error.code === 'etcd-unreachable';
      if (!silent || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
    }
  }
}

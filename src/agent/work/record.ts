/**
 * The one record in etcd of work that spans units, and its owner's sign of life.
 *
 * Every write compares the record's revision, so that an owner who was replaced while it slept can
 * write nothing any more. The owner's key hangs on a lease and vanishes with its agent.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import type { WorkView } from '../../charm/model/world.ts';
import type { EtcdPort } from '../../charm/workload/ports.ts';

export interface WorkRecord extends WorkView {
  /** Index of the phase in progress. */
  phaseIndex: number;
  /** Facts that phases leave for later ones. */
  memo: Record<string, string>;
  /** What the action reports. */
  result: Record<string, string>;
  /** Progress; the newest ones, see `firstLine`. */
  lines: string[];
  /** Number of lines that were dropped before lines[0]. */
  firstLine: number;
}

export interface StoredWork {
  record: WorkRecord;
  /** Revision of the record: the fencing token. */
  revision: number;
}

/** etcd refuses values above 1.5 MiB; followers are never this far behind. */
const MAX_LINES = 300;

export const workKey = (app: string) => `/pgcharm/${app}/work`;
const ownerKey = (app: string) => `/pgcharm/${app}/work-owner`;

export class WorkStore {
  readonly #etcd: () => EtcdPort;
  readonly #app: () => string;

  constructor(etcd: () => EtcdPort, app: () => string) {
    this.#etcd = etcd;
    this.#app = app;
  }

  async read(): Promise<StoredWork | undefined> {
    const entry = await this.#etcd().get(workKey(this.#app()));
    if (entry === undefined) return undefined;
    return { record: JSON.parse(entry.value) as WorkRecord, revision: entry.modRevision };
  }

  async ownerAlive(): Promise<boolean> {
    return (await this.#etcd().get(ownerKey(this.#app()))) !== undefined;
  }

  /**
   * Becomes the owner of a new or an orphaned record.
   *
   * @param revision of the record that is replaced, 0 when there is none
   * @returns false when somebody else was faster
   */
  claim(record: WorkRecord, revision: number, lease: string): Promise<boolean> {
    const app = this.#app();
    return this.#etcd().txn(
      [
        { key: workKey(app), modRevision: revision },
        { key: ownerKey(app), modRevision: 0 },
      ],
      [
        { put: workKey(app), value: JSON.stringify(record) },
        { put: ownerKey(app), value: record.owner, lease },
      ],
    );
  }

  /** @throws OperatorError `work-lost` when the record is no longer the one that was read */
  async write(record: WorkRecord, revision: number): Promise<number> {
    const key = workKey(this.#app());
    const value = JSON.stringify(record);
    await this.#etcd().txn([{ key, modRevision: revision }], [{ put: key, value }]);
    // Read back rather than believed: an answer that was lost on the way would look like a refusal.
    const entry = await this.#etcd().get(key);
    if (entry?.value !== value) throw workLost(record.id);
    return entry.modRevision;
  }

  async release(lease: string): Promise<void> {
    await this.#etcd().revoke(lease);
  }
}

export function withLine(record: WorkRecord, line: string): WorkRecord {
  const lines = [...record.lines, line];
  const dropped = Math.max(0, lines.length - MAX_LINES);
  return { ...record, lines: lines.slice(dropped), firstLine: record.firstLine + dropped };
}

/** Without what only the engine needs. */
export function viewOf(record: WorkRecord): WorkView {
  const { id, kind, phase, owner, params, deadline, startedAt, outcome, message } = record;
  return { id, kind, phase, owner, params, deadline, startedAt, outcome, message };
}

function workLost(id: string): OperatorError {
  return new OperatorError({
    code: 'work-lost',
    message: `cannot go on with work ${id}: another unit has taken it over`,
  });
}

/**
 * The log that `debug-log` shows: one row per line, kept to the newest 200,000. Also the history of
 * statuses, kept to the newest 20,000.
 *
 * The message is stored as given: whoever writes a line answers for it holding no secret.
 */
import type { Store } from './store.ts';

export type LogLevel = 'TRACE' | 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';

const LOG_ROWS = 200_000;
const HISTORY_ROWS = 20_000;
/** Rows between two trims, so that trimming costs next to nothing. */
const TRIM_EVERY = 1000;

export interface LogLine {
  /** `unit-postgresql-0`, `controller` */
  entity: string;
  level: LogLevel;
  /** `unit.postgresql/0.install`, `juju.worker.uniter` */
  module: string;
  message: string;
}

export function appendLog(store: Store, line: LogLine, at: number): void {
  const row = store.get<{ id: number }>(
    'INSERT INTO log (at, entity, level, module, message) VALUES (?, ?, ?, ?, ?) RETURNING id',
    at,
    line.entity,
    line.level,
    line.module,
    line.message,
  );
  if (row !== undefined && row.id % TRIM_EVERY === 0) {
    store.run('DELETE FROM log WHERE id <= ?', row.id - LOG_ROWS);
  }
}

export interface StatusLine {
  /** Name of a unit or an application. */
  entity: string;
  kind: 'workload' | 'juju-unit' | 'application';
  status: string;
  message: string;
}

export function appendStatus(store: Store, line: StatusLine, at: number): void {
  const row = store.get<{ id: number }>(
    `INSERT INTO status_history (at, entity, kind, status, message) VALUES (?, ?, ?, ?, ?)
     RETURNING id`,
    at,
    line.entity,
    line.kind,
    line.status,
    line.message,
  );
  if (row !== undefined && row.id % TRIM_EVERY === 0) {
    store.run('DELETE FROM status_history WHERE id <= ?', row.id - HISTORY_ROWS);
  }
}

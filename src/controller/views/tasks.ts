/** `show-task`, `operations` and `show-operation`. */

import type { OperationView } from '../api/documents.ts';
import type { TaskView } from '../api.ts';
import { type Model, refusal } from '../operations/model.ts';
import { receiverOf, taskNumber } from '../operations/tasks.ts';
import type { Store } from '../state/store.ts';

interface TaskRow {
  id: number;
  operation_id: number;
  unit: string;
  action: string;
  params: string;
  status: string;
  message: string;
  results: string;
  log: string;
  enqueued: number;
  started: number | null;
  completed: number | null;
}

/** @throws OperatorError `not-found` */
export function taskView(model: Model, id: string): TaskView {
  const number = taskNumber(model, id);
  const row = model.store.get<TaskRow>('SELECT * FROM task WHERE id = ?', number);
  if (row === undefined) throw refusal('not-found', `task "${id}" not found`);
  return {
    id: String(row.id),
    operation: String(row.operation_id),
    unit: receiver(row),
    action: row.action,
    status: row.status,
    message: row.message,
    results: JSON.parse(row.results) as Record<string, unknown>,
    log: JSON.parse(row.log) as TaskView['log'],
    enqueued: row.enqueued,
    started: row.started,
    completed: row.completed,
  };
}

function receiver({ unit, action, params }: Pick<TaskRow, 'unit' | 'action' | 'params'>): string {
  return receiverOf(unit, action, JSON.parse(params) as Record<string, unknown>);
}

interface OperationRow {
  id: number;
  summary: string;
  enqueued: number;
}

/** The newest `limit`, oldest first. */
export function operationList({ store }: Model, limit: number): OperationView[] {
  const sql = 'SELECT id, summary, enqueued FROM operation ORDER BY id DESC LIMIT ?';
  return store
    .all<OperationRow>(sql, limit)
    .toReversed()
    .map((row) => operationView(store, row));
}

/** @throws OperatorError `not-found` */
export function operationNamed({ store }: Model, id: string): OperationView {
  const number = /^\d{1,15}$/.test(id) ? Number(id) : -1;
  const sql = 'SELECT id, summary, enqueued FROM operation WHERE id = ?';
  const row = store.get<OperationRow>(sql, number);
  if (row !== undefined) return operationView(store, row);
  throw refusal('not-found', `operation "${id}" not found`, 'see `pgcharm operations`');
}

function operationView(store: Store, row: OperationRow): OperationView {
  const tasks = store
    .all<TaskRow>('SELECT * FROM task WHERE operation_id = ? ORDER BY id', row.id)
    .map((task) => ({
      id: String(task.id),
      unit: receiver(task),
      action: task.action,
      status: task.status,
    }));
  return {
    id: String(row.id),
    summary: row.summary,
    status: overall(tasks.map(({ status }) => status)),
    enqueued: row.enqueued,
    tasks,
  };
}

/** The status that says most about what is left to happen, then about what went wrong. */
function overall(statuses: readonly string[]): string {
  const order = ['running', 'aborting', 'pending', 'failed', 'aborted', 'cancelled', 'completed'];
  return order.find((status) => statuses.includes(status)) ?? 'error';
}

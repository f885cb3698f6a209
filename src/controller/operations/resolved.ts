/** `resolved`: tells a unit whose hook failed to run it again now, or to take it as done. */
import type { OperationState } from '../uniter/operation.ts';
import { type Model, refusal, unitNamed } from './model.ts';

export interface ResolvedRequest {
  units: readonly string[];
  all?: boolean | undefined;
  /** Default true. */
  retry?: boolean | undefined;
}

/** @throws OperatorError `not-in-error` */
export function markResolved(model: Model, request: ResolvedRequest): string[] {
  const { store } = model;
  return store.tx(() => {
    const names = request.all === true ? unitsInError(model) : request.units;
    for (const name of names) {
      const unit = unitNamed(store, name);
      const operation = failedOperation(model, unit.name);
      if (operation === undefined) {
        throw refusal('not-in-error', `unit "${unit.name}" is not in an error state`);
      }
      const next: OperationState = {
        ...operation,
        resolve: request.retry === false ? 'no-retry' : 'retry',
        retryAt: 0,
      };
      store.run('UPDATE unit SET operation = ? WHERE name = ?', JSON.stringify(next), unit.name);
    }
    return [];
  });
}

function failedOperation({ store }: Model, unit: string): OperationState | undefined {
  const sql = 'SELECT operation FROM unit WHERE name = ?';
  const text = store.get<{ operation: string | null }>(sql, unit)?.operation;
  if (text === null || text === undefined) return undefined;
  const operation = JSON.parse(text) as OperationState;
  return operation.step === 'failed' ? operation : undefined;
}

function unitsInError(model: Model): string[] {
  const rows = model.store.all<{ name: string }>('SELECT name FROM unit ORDER BY name');
  return rows.map(({ name }) => name).filter((name) => failedOperation(model, name) !== undefined);
}

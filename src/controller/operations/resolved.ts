/**
 * What an operator does for a unit whose hook failed: `resolved` tells it to run the hook again, or
 * to take it as done; `refresh --force-units` brings it the new charm first.
 */
import type { Store } from '../state/store.ts';
import { setOperation } from '../uniter/commit.ts';
import type { OperationState } from '../uniter/operation.ts';
import { type Model, refusal, unitNamed, unitsOf } from './model.ts';

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
      const operation = failedOperation(store, unit.name);
      if (operation === undefined) {
        throw refusal('not-in-error', `unit "${unit.name}" is not in an error state`);
      }
      const next: OperationState = {
        ...operation,
        resolve: request.retry === false ? 'no-retry' : 'retry',
        retryAt: 0,
      };
      setOperation(store, unit.name, next);
    }
    return [];
  });
}

/**
 * Units in error unpack the application's charm now; then the hook that failed runs again, and not
 * upgrade-charm, as under Juju. Call it inside the transaction that changes the charm.
 */
export function forceUpgrade(store: Store, application: string): void {
  for (const { name } of unitsOf(store, application)) {
    const operation = failedOperation(store, name);
    if (operation === undefined) continue;
    setOperation(store, name, { ...operation, step: 'unpacking', retryAt: 0, resolve: null });
  }
}

function failedOperation(store: Store, unit: string): OperationState | undefined {
  const sql = 'SELECT operation FROM unit WHERE name = ?';
  const text = store.get<{ operation: string | null }>(sql, unit)?.operation;
  if (text === null || text === undefined) return undefined;
  const operation = JSON.parse(text) as OperationState;
  return operation.step === 'failed' ? operation : undefined;
}

function unitsInError({ store }: Model): string[] {
  const rows = store.all<{ name: string }>('SELECT name FROM unit ORDER BY name');
  return rows.map(({ name }) => name).filter((name) => failedOperation(store, name) !== undefined);
}

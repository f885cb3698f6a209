/**
 * The end of units, applications and machines in the model. Writes the store only: ending processes
 * and removing directories comes first, so that a crash in between is finished by the next attempt.
 */
import type { Store } from '../state/store.ts';
import { release } from './leases.ts';
import { removeEmptyRelations } from './scope.ts';

/** Takes a unit out of the model, with what only it owned. Call it inside a transaction. */
export function removeUnit(store: Store, unit: string, now: number): void {
  const row = store.get<{ application: string; machine_id: string; destroy: number }>(
    `SELECT u.application, u.machine_id, max(u.destroy_storage, a.destroy_storage) AS destroy
     FROM unit u JOIN application a ON a.name = u.application WHERE u.name = ?`,
    unit,
  );
  if (row === undefined) return;
  const lease = store.get<{ unit: string }>(
    'SELECT unit FROM lease WHERE application = ?',
    row.application,
  );
  if (lease?.unit === unit) release(store, row.application);
  store.run('DELETE FROM relation_unit WHERE unit = ?', unit);
  // A dying instance's directory is removed by the engine, then its row.
  store.run(
    `UPDATE storage SET unit = NULL, machine_id = NULL, attached = 0,
     life = CASE WHEN ? THEN 'dying' ELSE life END WHERE unit = ?`,
    row.destroy,
    unit,
  );
  store.run(`DELETE FROM secret WHERE owner_kind = 'unit' AND owner = ?`, unit);
  store.run('DELETE FROM secret_consumer WHERE unit = ?', unit);
  store.run('DELETE FROM secret_grant WHERE subject = ?', unit);
  store.run('DELETE FROM unit_state WHERE unit = ?', unit);
  store.run(
    `UPDATE task SET status = 'failed', message = 'unit removed', completed = ?
     WHERE unit = ? AND status IN ('pending', 'running', 'aborting')`,
    now,
    unit,
  );
  store.run('DELETE FROM unit WHERE name = ?', unit);
  store.run(
    'DELETE FROM machine WHERE id = ? AND id NOT IN (SELECT machine_id FROM unit)',
    row.machine_id,
  );
  sweep(store);
}

/** Finishes what has nothing left to wait for: relations, applications. Repeatable. */
export function sweep(store: Store): void {
  removeEmptyRelations(store);
  const dying = store.all<{ name: string; units: number }>(
    `SELECT a.name, (SELECT count(*) FROM unit u WHERE u.application = a.name) AS units
     FROM application a WHERE a.life <> 'alive'`,
  );
  for (const { name, units } of dying) {
    store.run(`UPDATE unit SET life = 'dying' WHERE application = ? AND life = 'alive'`, name);
    store.run(
      `UPDATE relation SET life = 'dying' WHERE life = 'alive' AND kind = 'regular' AND id IN
       (SELECT relation_id FROM relation_endpoint WHERE application = ?)`,
      name,
    );
    if (units === 0) removeApplication(store, name);
  }
  removeEmptyRelations(store);
}

function removeApplication(store: Store, name: string): void {
  // The other side's units still have to see their -broken.
  const waiting = store.get(
    `SELECT 1 FROM relation_endpoint e JOIN relation_unit ru ON ru.relation_id = e.relation_id
     WHERE e.application = ? AND ru.in_scope = 1`,
    name,
  );
  if (waiting !== undefined) return;
  store.run(`DELETE FROM secret WHERE owner_kind = 'application' AND owner = ?`, name);
  store.run('DELETE FROM secret_grant WHERE subject = ?', name);
  store.run('DELETE FROM lease WHERE application = ?', name);
  store.run('DELETE FROM application WHERE name = ?', name);
}

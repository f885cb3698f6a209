/**
 * A unit's way into and out of the scope of its relations, and the end of relations that nobody is
 * in any more. Every function writes; call them inside a transaction.
 */
import { egressSubnets } from '../machines/network.ts';
import type { Store } from '../state/store.ts';

/** From here on the unit's databag exists and the other side sees the unit. */
export function enterScope(store: Store, unit: string, relationId: number): void {
  store.run(
    `INSERT INTO relation_unit (relation_id, unit) VALUES (?, ?)
     ON CONFLICT (relation_id, unit) DO UPDATE SET in_scope = 1, created_run = 0, members = '{}',
       apps = '{}', changed_pending = NULL`,
    relationId,
    unit,
  );
  // Who comes back after a suspension starts with a fresh databag.
  store.run(
    `INSERT INTO databag (relation_id, owner, data) VALUES (?, ?, ?)
     ON CONFLICT (relation_id, owner) DO UPDATE SET data = excluded.data, version = version + 1`,
    relationId,
    unit,
    JSON.stringify(networkFacts(store, unit)),
  );
}

/** Drops what the unit has seen. Its databag stays readable as long as the relation exists. */
export function leaveScope(store: Store, unit: string, relationId: number): void {
  store.run(
    `UPDATE relation_unit SET in_scope = 0, created_run = 0, members = '{}', apps = '{}',
     changed_pending = NULL WHERE relation_id = ? AND unit = ?`,
    relationId,
    unit,
  );
  removeEmptyRelations(store);
}

/** Relations removed by force whose time is over go on without the units that have not left. */
export function dropForced(store: Store, now: number): void {
  const rows = store.all<{ relation_id: number; unit: string }>(
    `SELECT ru.relation_id, ru.unit FROM relation_unit ru JOIN relation r ON r.id = ru.relation_id
     WHERE ru.in_scope = 1 AND r.life <> 'alive' AND r.forced_at <= ?`,
    now,
  );
  for (const { relation_id: id, unit } of rows) leaveScope(store, unit, id);
}

/** After config-changed: the addresses that the unit announces in its relations. */
export function refreshNetworkFacts(store: Store, unit: string): void {
  const facts = networkFacts(store, unit);
  const bags = store.all<{ relation_id: number; data: string }>(
    `SELECT b.relation_id, b.data FROM databag b JOIN relation_unit ru
     ON ru.relation_id = b.relation_id AND ru.unit = b.owner AND ru.in_scope = 1
     WHERE b.owner = ?`,
    unit,
  );
  for (const { relation_id: relationId, data } of bags) {
    const bag = JSON.parse(data) as Record<string, string>;
    if (Object.entries(facts).every(([key, value]) => bag[key] === value)) continue;
    store.run(
      'UPDATE databag SET data = ?, version = version + 1 WHERE relation_id = ? AND owner = ?',
      JSON.stringify({ ...bag, ...facts }),
      relationId,
      unit,
    );
  }
}

/**
 * Relations that end and that no unit is in, or that lost an application.
 *
 * @returns how many went
 */
export function removeEmptyRelations(store: Store): number {
  const rows = store.all<{ id: number }>(
    `SELECT r.id FROM relation r WHERE
       (r.life <> 'alive' AND NOT EXISTS
         (SELECT 1 FROM relation_unit ru WHERE ru.relation_id = r.id AND ru.in_scope = 1))
       OR EXISTS (SELECT 1 FROM relation_endpoint e LEFT JOIN application a
         ON a.name = e.application WHERE e.relation_id = r.id AND a.name IS NULL)`,
  );
  for (const { id } of rows) {
    // A grant lives as long as the relation that it was given through.
    store.run('DELETE FROM secret_grant WHERE scope = ?', `relation:${id}`);
    store.run('DELETE FROM relation WHERE id = ?', id);
  }
  return rows.length;
}

function networkFacts(store: Store, unit: string): Record<string, string> {
  const machine = store.get<{ kind: string; address: string }>(
    'SELECT m.kind, m.address FROM machine m JOIN unit u ON u.machine_id = m.id WHERE u.name = ?',
    unit,
  );
  if (machine === undefined) return {};
  return {
    'ingress-address': machine.address,
    'egress-subnets': egressSubnets(machine).join(','),
  };
}

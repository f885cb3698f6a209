/**
 * Which lock an operation takes: the machine's for whatever runs a charm's program, none for
 * actions with `parallel`, one of their own for actions of an execution group.
 */
import type { ActionSpec, ActionSpecs } from '../../../lib/contract/actions.ts';
import type { Store } from '../state/store.ts';
import type { Operation } from './operation.ts';
import type { UnitView } from './read-unit.ts';

/** @returns undefined when the operation needs no lock */
export function lockName(store: Store, view: UnitView, operation: Operation): string | undefined {
  const machine = `machine-${view.machineId}`;
  switch (operation.kind) {
    case 'hook':
    case 'unpack':
    case 'command':
      return machine;
    case 'action': {
      const spec = actionSpec(store, operation.taskId);
      const group = spec?.executionGroup ?? '';
      if (group !== '') return `${machine}-${group}`;
      return spec?.parallel === true ? undefined : machine;
    }
    default:
      return undefined;
  }
}

function actionSpec(store: Store, taskId: number): ActionSpec | undefined {
  const row = store.get<{ action: string; actions: string }>(
    `SELECT t.action, c.actions FROM task t JOIN unit u ON u.name = t.unit
     JOIN charm c ON c.id = u.charm_id WHERE t.id = ?`,
    taskId,
  );
  if (row === undefined) return undefined;
  const specs = JSON.parse(row.actions) as ActionSpecs;
  return Object.hasOwn(specs, row.action) ? specs[row.action] : undefined;
}

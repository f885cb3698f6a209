/**
 * Operations that run no program: a unit enters or leaves a relation's scope,
 * accepts or gives up leadership.
 * Call them inside a transaction.
 */
import type { Store } from '../state/store.ts';
import { setOperation } from './commit.ts';
import { release } from './leases.ts';
import { type Operation, queued } from './operation.ts';
import type { UnitView } from './read-unit.ts';
import { enterScope, leaveScope } from './scope.ts';

export type StandingOperation = Extract<
  Operation,
  { kind: 'enter-scope' | 'leave-scope' | 'accept-leadership' | 'resign-leadership' }
>;

export function changeStanding(store: Store, view: UnitView, operation: StandingOperation): void {
  const { unit } = view.local;
  switch (operation.kind) {
    case 'enter-scope':
      enterScope(store, unit, operation.relationId);
      return;
    case 'leave-scope':
      leaveScope(store, unit, operation.relationId);
      return;
    case 'accept-leadership':
      store.run('UPDATE unit SET leader_accepted = 1 WHERE name = ?', unit);
      setOperation(store, unit, queued({ kind: 'leader-elected', name: 'leader-elected' }));
      return;
    case 'resign-leadership':
      store.run('UPDATE unit SET leader_accepted = 0 WHERE name = ?', unit);
      if (view.remote.leader) release(store, view.application);
  }
}

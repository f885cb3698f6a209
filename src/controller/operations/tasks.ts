/**
 * `run` and `exec`: enqueues one task for each unit; the units' agents carry them out in turn.
 * Parameters are checked here, once, against the action's schema.
 */
import { actionParams } from '../../../lib/contract/actions.ts';
import type { Enqueued } from '../api.ts';
import { unitTag } from '../state/layout.ts';
import { EXEC_ACTION } from '../uniter/action-execution.ts';
import {
  applicationNamed,
  findApplication,
  leaderOf,
  type Model,
  refusal,
  type Unit,
  unitsOf,
} from './model.ts';

export interface RunRequest {
  units: readonly string[];
  action: string;
  params?: Record<string, unknown> | undefined;
}

/** @throws OperatorError `action-not-found`, `action-params-invalid` */
export function runAction(model: Model, request: RunRequest): Enqueued {
  const { action, params = {} } = request;
  return enqueue(model, action, request.units, (unit) => {
    const { charm } = applicationNamed(model.store, unit.application);
    const spec = charm.actions[action];
    if (spec === undefined) {
      throw refusal(
        'action-not-found',
        `action "${action}" not defined for unit "${unit.name}". (not found)`,
        `see \`pgcharm actions ${unit.application}\``,
      );
    }
    return actionParams(spec, params);
  });
}

export interface ExecRequest {
  units?: readonly string[] | undefined;
  applications?: readonly string[] | undefined;
  machines?: readonly string[] | undefined;
  all?: boolean | undefined;
  command: string;
}

/** A machine stands for the first of its units: both are this machine. */
export function execCommand(model: Model, request: ExecRequest): Enqueued {
  const { store } = model;
  const machines = request.all
    ? store.all<{ id: string }>('SELECT id FROM machine ORDER BY id').map(({ id }) => id)
    : [...(request.machines ?? [])];
  const byMachine = new Map(machines.map((id) => [unitOnMachine(model, id), id]));
  const units = [
    ...(request.units ?? []),
    ...(request.applications ?? []).flatMap((name) => {
      applicationNamed(store, name);
      return unitsOf(store, name).map((unit) => unit.name);
    }),
    ...byMachine.keys(),
  ];
  return enqueue(model, EXEC_ACTION, [...new Set(units)], (unit) => {
    const machine = byMachine.get(unit.name);
    return {
      command: request.command,
      ...(machine === undefined ? {} : { machine }),
    };
  });
}

function unitOnMachine({ store }: Model, id: string): string {
  const sql = 'SELECT name FROM unit WHERE machine_id = ? ORDER BY name';
  const unit = store.get<{ name: string }>(sql, id);
  if (unit !== undefined) return unit.name;
  throw refusal('not-found', `machine ${id} not found`);
}

function enqueue(
  model: Model,
  action: string,
  targets: readonly string[],
  paramsFor: (unit: Unit) => Record<string, unknown>,
): Enqueued {
  const { store } = model;
  return store.tx(() => {
    const found = targets.map((target) => resolve(model, target));
    const units = found.filter((item) => typeof item !== 'string');
    const failures = found.filter((item) => typeof item === 'string');
    const prepared = units.map((unit) => ({ unit, params: paramsFor(unit) }));
    const operation = store.nextNumber('task', 1);
    const now = model.now();
    const where = units.map((unit) => unitTag(unit.name)).join(',');
    const summary = `${action} run on ${where === '' ? targets.join(',') : where}`;
    store.run('INSERT INTO operation VALUES (?, ?, ?)', operation, summary, now);
    const tasks = prepared.map(({ unit, params }) => {
      const id = store.nextNumber('task', 1);
      store.run(
        `INSERT INTO task (id, operation_id, unit, action, params, enqueued)
         VALUES (?, ?, ?, ?, ?, ?)`,
        id,
        operation,
        unit.name,
        action,
        JSON.stringify(params),
        now,
      );
      return { id: String(id), unit: receiverOf(unit.name, action, params) };
    });
    return { operation: String(operation), tasks, failures };
  });
}

/** Who was asked: a command for a machine is known under the machine's id. */
export function receiverOf(unit: string, action: string, params: Record<string, unknown>): string {
  const { machine } = params;
  return action === EXEC_ACTION && typeof machine === 'string' ? machine : unit;
}

/** The unit, or why there is none: other units' tasks are enqueued all the same. */
function resolve({ store }: Model, target: string): Unit | string {
  const [application = '', which] = target.split('/');
  if (findApplication(store, application) === undefined) return `unit "${target}" not found`;
  const name = which === 'leader' ? leaderOf(store, application) : target;
  if (name === undefined) return `could not determine leader for "${application}"`;
  const unit = unitsOf(store, application).find((candidate) => candidate.name === name);
  return unit ?? `unit "${target}" not found`;
}

/** @throws OperatorError `not-found` */
export function taskNumber({ store }: Model, id: string): number {
  const number = /^\d{1,15}$/.test(id) ? Number(id) : -1;
  const row = store.get<{ id: number }>('SELECT id FROM task WHERE id = ?', number);
  if (row !== undefined) return row.id;
  throw refusal('not-found', `task "${id}" not found`, 'see `pgcharm operations`');
}

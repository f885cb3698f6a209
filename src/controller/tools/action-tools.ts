/** action-get, action-set, action-fail, action-log: only while an action runs. */
import type { Value } from '../../../lib/contract/format.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { Handlers } from './handler.ts';

type Results = Record<string, unknown>;

export const actionTools: Handlers<'action-get' | 'action-set' | 'action-fail' | 'action-log'> = {
  'action-get': (run, { path }) => {
    const row = run.store.get<{ params: string }>(
      'SELECT params FROM task WHERE id = ?',
      taskId(run),
    );
    let value: unknown = JSON.parse(row?.params ?? '{}');
    for (const key of path) value = isMap(value) && Object.hasOwn(value, key) ? value[key] : null;
    return { value: value as Value };
  },

  'action-set': (run, { values }) => {
    taskId(run);
    for (const { path, value } of values) setDeep(run.pending.actionResults, path, value);
    return undefined;
  },

  'action-fail': (run, { message }) => {
    taskId(run);
    run.pending.actionFailed = message;
    return undefined;
  },

  'action-log': (run, { message }) => {
    run.store.run(
      `UPDATE task SET log = json_insert(log, '$[#]', json_object('at', ?, 'message', ?))
       WHERE id = ?`,
      run.now(),
      message,
      taskId(run),
    );
    return undefined;
  },
};

function taskId(run: Execution): number {
  if (run.spec.action === undefined) throw new ToolFailure('not running an action');
  return run.spec.action.taskId;
}

/** A value in the way of a deeper key is replaced. */
function setDeep(results: Results, path: readonly string[], value: string): void {
  let level = results;
  for (const key of path.slice(0, -1)) {
    const next = Object.hasOwn(level, key) ? level[key] : undefined;
    const deeper: Results = isMap(next) ? next : {};
    level[key] = deeper;
    level = deeper;
  }
  const last = path.at(-1);
  if (last !== undefined) level[last] = value;
}

function isMap(value: unknown): value is Results {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Waits for tasks and prints them, as `juju run`, `juju exec` and `juju show-task` do.
 *
 * Progress goes to stderr; the outcome to stdout, as one document keyed by unit.
 */
import { OperatorError } from '../../lib/std/errors.ts';
import type { Enqueued, TaskView } from '../controller/api.ts';
import type { Call } from './command.ts';
import { follow } from './follow.ts';
import { formatted } from './output.ts';
import { goTime } from './times.ts';

const ENDED = new Set(['completed', 'failed', 'cancelled', 'aborted']);

export function hasEnded({ status }: TaskView): boolean {
  return ENDED.has(status);
}

/** A task as Juju's `run` prints it under the name of its unit. */
export function taskDocument(task: TaskView): Record<string, unknown> {
  const { 'return-code': code, stdout, stderr, ...set } = task.results;
  const results = {
    ...set,
    ...(code === undefined ? {} : { 'return-code': code }),
    ...(stderr === undefined || stderr === '' ? {} : { stderr }),
    ...(stdout === undefined || stdout === '' ? {} : { stdout }),
  };
  const log = task.log.map((line) => `${goTime(line.at)} ${line.message}`);
  return {
    id: task.id,
    ...(log.length === 0 ? {} : { log }),
    ...(task.message === '' ? {} : { message: task.message }),
    ...(Object.keys(results).length === 0 ? {} : { results }),
    status: task.status,
    timing: {
      ...(task.completed === null ? {} : { completed: goTime(task.completed) }),
      enqueued: goTime(task.enqueued),
      ...(task.started === null ? {} : { started: goTime(task.started) }),
    },
    unit: task.unit,
  };
}

export interface Showing {
  readonly format: string;
  /** Undefined: for ever. */
  readonly waitMs: number | undefined;
  readonly background: boolean;
}

/** Says what was enqueued, waits for it and prints it. @returns the exit code */
export async function seeThrough(
  call: Call,
  enqueued: Enqueued,
  { format, waitMs, background }: Showing,
): Promise<number> {
  const { operation, tasks, failures } = enqueued;
  if (tasks.length === 0) {
    call.out.say(`Operation ${operation} failed to schedule any tasks:\n${failures.join('\n')}`);
    return 0;
  }
  const count = tasks.length === 1 ? '1 task' : `${tasks.length} tasks`;
  call.out.say(`Running operation ${operation} with ${count}`);
  for (const { id, unit } of tasks) call.out.say(`  - task ${id} on ${receiverTag(unit)}`);
  call.out.say('');
  for (const failure of failures) call.out.say(failure);
  if (background) {
    sayWhereResultsAre(call, enqueued);
    return 0;
  }
  const ended = await waitForAll(call, enqueued, waitMs);
  print(call, ended, format);
  return verdict(ended);
}

function sayWhereResultsAre(call: Call, { operation, tasks }: Enqueued): void {
  call.out.say('Check operation status with');
  call.out.say(`  pgcharm show-operation ${operation}`);
  call.out.say('and results with');
  for (const { id } of tasks) call.out.say(`  pgcharm show-task ${id}`);
}

async function waitForAll(
  call: Call,
  { tasks }: Enqueued,
  waitMs: number | undefined,
): Promise<TaskView[]> {
  const deadline = waitMs === undefined ? undefined : Date.now() + waitMs;
  const ended: TaskView[] = [];
  const late: string[] = [];
  for (const { id, unit } of tasks) {
    call.out.say(`Waiting for task ${id}...`);
    const left = deadline === undefined ? undefined : Math.max(0, deadline - Date.now());
    const task = await taskEnd(call, id, left);
    if (task === undefined) late.push(unit);
    else ended.push(task);
  }
  if (late.length > 0) {
    if (ended.length > 0) print(call, ended, 'plain');
    const units = late.map((unit) => `unit ${unit}`).join(', ');
    throw new OperatorError({
      code: 'timed-out',
      message: `timed out waiting for results from: ${units}`,
      hint: `it goes on; see \`pgcharm show-task ${tasks.map(({ id }) => id).join(' ')}\``,
      retry: 'never',
    });
  }
  call.out.say('');
  return ended;
}

/** The task once it has ended; its log lines go to stderr as they come. Undefined: too late. */
export async function taskEnd(
  call: Call,
  id: string,
  timeoutMs: number | undefined,
): Promise<TaskView | undefined> {
  let shown = 0;
  return follow(
    call.api,
    'show-task',
    { id },
    {
      timeoutMs,
      signal: call.signal,
      seen(task) {
        for (const line of task.log.slice(shown)) {
          call.out.say(`${new Date(line.at).toTimeString().slice(0, 8)} ${line.message}`);
        }
        shown = task.log.length;
        return hasEnded(task) ? task : undefined;
      },
    },
  );
}

function print(call: Call, tasks: readonly TaskView[], format: string): void {
  if (format === 'json' || format === 'yaml') {
    const document = Object.fromEntries(tasks.map((task) => [task.unit, taskDocument(task)]));
    call.out.data(formatted(document, format));
    return;
  }
  for (const task of tasks) {
    if (tasks.length > 1) call.out.data(`${task.unit}:\n`);
    call.out.data(plain(task));
  }
}

/** The results as a person reads them: what the action printed, or its results as YAML. */
export function plain(task: TaskView): string {
  const { 'return-code': _code, stdout, stderr, ...set } = task.results;
  const parts = [
    task.status === 'failed' ? `Action id ${task.id} failed: ${task.message}\n` : '',
    Object.keys(set).length === 0 ? '' : formatted(set, 'yaml'),
    typeof stdout === 'string' ? stdout : '',
    typeof stderr === 'string' ? stderr : '',
  ];
  return parts.map((part) => (part === '' || part.endsWith('\n') ? part : `${part}\n`)).join('');
}

/** @throws OperatorError when a task ended with a non-zero return code, in Juju's words */
function verdict(tasks: readonly TaskView[]): number {
  const failed = tasks.filter(({ results }) => Number(results['return-code'] ?? 0) !== 0);
  if (failed.length === 0) return 0;
  const lines = failed.map(
    ({ id, results }) => ` - id "${id}" with return code ${String(results['return-code'])}`,
  );
  const plural = failed.length === 1 ? '' : 's';
  const some = `the following task${plural} failed`;
  const failures = `the failure${plural}`;
  throw new OperatorError({
    code: 'task-failed',
    message: `${some}:\n${lines.join('\n')}\n\nuse 'juju show-task' to inspect ${failures}`,
    retry: 'never',
  });
}

/** A command for a machine has the machine's id in place of a unit's name. */
function receiverTag(receiver: string): string {
  return receiver.includes('/') ? `unit-${receiver.replace('/', '-')}` : `machine-${receiver}`;
}

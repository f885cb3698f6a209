/**
 * Actions and commands: like hooks they hold the unit's queue and commit their writes at the end,
 * but a failure is the task's, never the unit's. An interrupted one is failed and never run again.
 */
import { existsSync } from 'node:fs';
import { messageOf } from '../../../lib/std/errors.ts';
import { findProgram } from '../runner/charm-program.ts';
import type { Ended } from '../runner/process.ts';
import type { Session, ToolResult } from '../tools/session.ts';
import { endText } from './hook-execution.ts';
import type { AgentPorts } from './ports.ts';
import { setAgentStatus } from './statuses.ts';
import type { Run, UnitRunner } from './unit-runner.ts';

/** The action that `juju exec` enqueues. */
export const EXEC_ACTION = 'juju-exec';

interface Task {
  id: number;
  action: string;
  params: string;
}

interface Outcome {
  status: 'completed' | 'failed';
  message: string;
  results: Record<string, unknown>;
}

export class ActionExecution {
  readonly #ports: AgentPorts;
  readonly #runner: UnitRunner;

  constructor(ports: AgentPorts, runner: UnitRunner) {
    this.#ports = ports;
    this.#runner = runner;
  }

  async run(taskId: number): Promise<void> {
    const task = this.#begin(taskId);
    if (task === undefined) return; // Cancelled while it waited for the machine.
    const action = { name: task.action, taskId };
    const session = this.#runner.newSession(task.action, { action: { taskId } });
    try {
      const program = await this.#program(task);
      if (program === undefined) {
        const message = `action not implemented on unit "${this.#runner.unit}"`;
        this.#finish(taskId, { status: 'failed', message, results: {} });
        return;
      }
      const run = { session, name: task.action, action, capture: true, ...program };
      this.#settle(taskId, session, await this.#runner.run(run));
    } catch (error) {
      this.#finish(taskId, { status: 'failed', message: messageOf(error), results: {} });
    }
  }

  /** A command of juju-exec, answered to the process that asked. */
  async command(command: string): Promise<ToolResult> {
    const session = this.#runner.newSession(EXEC_ACTION, {});
    const ended = await this.#runner.run({
      session,
      name: EXEC_ACTION,
      capture: true,
      ...shell(command),
    });
    const text = { stdout: ended.stdout.toString('utf8'), stderr: ended.stderr.toString('utf8') };
    if (ended.code !== 0) {
      session.discard();
      this.#forgetProcess();
      return { code: ended.code ?? 1, ...text };
    }
    const refused = this.#tryCommit(session, () => this.#forgetProcess());
    if (refused === undefined) return { code: 0, ...text };
    this.#forgetProcess();
    return { code: 1, stdout: text.stdout, stderr: `${text.stderr}ERROR ${refused}\n` };
  }

  #begin(taskId: number): Task | undefined {
    const { store } = this.#ports;
    const now = this.#ports.now();
    return store.tx(() => {
      const started = store.run(
        `UPDATE task SET status = 'running', started = ? WHERE id = ? AND status = 'pending'`,
        now,
        taskId,
      );
      if (started === 0) return undefined;
      const task = store.get<Task>('SELECT id, action, params FROM task WHERE id = ?', taskId);
      const message = `running action ${task?.action ?? ''}`;
      setAgentStatus(store, this.#runner.unit, { status: 'executing', message }, now);
      return task;
    });
  }

  async #program(task: Task): Promise<Pick<Run, 'file' | 'args' | 'dispatchPath'> | undefined> {
    if (task.action === EXEC_ACTION) {
      const { command } = JSON.parse(task.params) as { command?: unknown };
      return shell(String(command ?? ''));
    }
    const charmDir = this.#ports.layout.charmDir(this.#runner.unit);
    const dispatchPath = `actions/${task.action}`;
    const program = await findProgram(charmDir, dispatchPath);
    return program === undefined ? undefined : { file: program.file, dispatchPath };
  }

  #settle(taskId: number, session: Session, ended: Ended): void {
    const { results: set, failed } = session.actionOutcome();
    const results = { ...set, ...streams(ended) };
    if (ended.code !== 0) {
      session.discard();
      this.#finish(taskId, { status: 'failed', message: endText(ended), results });
      return;
    }
    const status = failed === undefined ? 'completed' : 'failed';
    const outcome: Outcome = { status, message: failed ?? '', results };
    const refused = this.#tryCommit(session, () => this.#finish(taskId, outcome));
    if (refused === undefined) return;
    const stderr = `${ended.stderr.toString('utf8')}${refused}\n`;
    this.#finish(taskId, {
      status: 'failed',
      message: 'committing requested changes failed',
      results: { ...results, stderr, 'return-code': 1 },
    });
  }

  /** @returns why the changes were refused; nothing of `finish` is kept then */
  #tryCommit(session: Session, finish: () => void): string | undefined {
    try {
      this.#ports.store.tx(() => {
        session.commit();
        finish();
      });
      return undefined;
    } catch (error) {
      session.discard();
      return messageOf(error);
    }
  }

  #forgetProcess(): void {
    this.#ports.store.run('UPDATE unit SET process = NULL WHERE name = ?', this.#runner.unit);
  }

  /** A task that was to be cancelled meanwhile is aborted, whatever came of it. */
  #finish(taskId: number, outcome: Outcome): void {
    this.#forgetProcess();
    this.#ports.store.run(
      `UPDATE task SET status = CASE status WHEN 'aborting' THEN 'aborted' ELSE ? END,
       message = ?, results = ?, completed = ? WHERE id = ?`,
      outcome.status,
      outcome.message,
      JSON.stringify(outcome.results),
      this.#ports.now(),
      taskId,
    );
  }
}

function shell(command: string): { file: string; args: string[] } {
  return { file: existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh', args: ['-c', command] };
}

/** Output as results: text as it is, anything else as base64 and flagged. */
function streams(ended: Ended): Record<string, unknown> {
  const results: Record<string, unknown> = { 'return-code': ended.code ?? -1 };
  for (const name of ['stdout', 'stderr'] as const) {
    const bytes = ended[name];
    if (bytes.length === 0) continue;
    const text = bytes.toString('utf8');
    if (Buffer.from(text, 'utf8').equals(bytes)) results[name] = text;
    else {
      results[name] = bytes.toString('base64');
      results[`${name}-encoding`] = 'base64';
    }
  }
  return results;
}

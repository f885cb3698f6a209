/**
 * One execution (hook, action, juju-exec) as its hook tools see it: reads come from the store,
 * changes wait until commit() and vanish with discard().
 *
 * Never starts a process and never decides when to commit: the uniter does.
 */

import type { Store } from '../state/store.ts';
import type { HookInfo } from '../uniter/hook-info.ts';

/** What every tool call is carried out for. */
export interface SessionSpec {
  /** JUJU_CONTEXT_ID of the execution. */
  contextId: string;
  unit: string;
  /** JUJU_CHARM_DIR. */
  charmDir: string;
  /** Where the unit's resources are, `<dir>/<name>/<file>`. */
  resourcesDir: string;
  hook?: HookInfo;
  action?: { taskId: number };
}

export interface SessionSinks {
  log(level: string, module: string, message: string): void;
}

/** One call of a hook tool, as the client sends it. */
export interface ToolCall {
  tool: string;
  args: readonly string[];
  /** Absolute working directory of the caller; file arguments are relative to it. */
  dir: string;
  stdin?: string;
}

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The commit of a successful hook was refused: the hook counts as failed and nothing is kept. */
export class CommitRefused extends Error {
  override readonly name = 'CommitRefused';
}

export class Session {
  readonly spec: SessionSpec;

  constructor(_store: Store, spec: SessionSpec, _sinks: SessionSinks) {
    this.spec = spec;
  }

  /** Carries out one tool; never throws for what the caller did wrong, that is code 1 or 2. */
  run(call: ToolCall): ToolResult {
    return { code: 2, stdout: '', stderr: `ERROR bad request: unknown command: ${call.tool}\n` };
  }

  /** Applies every pending change. Call it inside store.tx(). @throws CommitRefused */
  commit(): void {}

  /** Drops every pending change. */
  discard(): void {}

  /** What action-set and action-fail left; `failed` is the message of action-fail. */
  actionOutcome(): { results: Record<string, unknown>; failed: string | undefined } {
    return { results: {}, failed: undefined };
  }

  /** Set by juju-reboot: restart the machine after the hook, or at once. */
  reboot(): 'none' | 'after' | 'now' {
    return 'none';
  }
}

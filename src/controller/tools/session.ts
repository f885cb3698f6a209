/**
 * One execution (hook, action, juju-exec) as its hook tools see it: reads come from the store,
 * changes wait until commit() and vanish with discard().
 *
 * Never starts a process and never decides when to commit: the uniter does.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatValue } from '../../../lib/contract/format.ts';
import { HelpRequested, UsageError } from '../../../lib/contract/gnuflag.ts';
import { isToolName, type ToolName } from '../../../lib/contract/tools/catalogue.ts';
import { helpText, parseCall } from '../../../lib/contract/tools/parse.ts';
import type { Store } from '../state/store.ts';
import type { HookInfo } from '../uniter/hook-info.ts';
import { actionTools } from './action-tools.ts';
import { applyChanges } from './apply-changes.ts';
import { Execution, ToolFailure } from './execution.ts';
import { Caller, type Handler, type Handlers, StdinWanted } from './handler.ts';
import { placeTools } from './place-tools.ts';
import { relationTools } from './relation-tools.ts';
import type { RemoteBags } from './remote-bags.ts';
import { secretTools } from './secret-tools.ts';
import { unitTools } from './unit-tools.ts';

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
  /** Kept by the unit's agent from hook to hook; without it, each hook reads databags anew. */
  remoteBags?: RemoteBags;
}

export interface SessionSinks {
  log(level: string, module: string, message: string): void;
  /** storage-add, at commit, inside its transaction. Without it storage-add is refused. */
  addStorage?(unit: string, name: string, count: number): void;
  /** Milliseconds since the epoch; default Date.now. */
  now?(): number;
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

/** The answer that asks the client for its stdin. */
const NEEDS_STDIN: ToolResult = {
  code: 254,
  stdout: '',
  stderr: 'hook tool requires stdin, none supplied',
};

const handlers: Handlers<ToolName> = {
  ...relationTools,
  ...unitTools,
  ...placeTools,
  ...secretTools,
  ...actionTools,
};

export class Session {
  readonly spec: SessionSpec;
  readonly #run: Execution;
  #ended = false;

  constructor(store: Store, spec: SessionSpec, sinks: SessionSinks) {
    this.spec = spec;
    this.#run = new Execution(store, spec, sinks);
  }

  /** Carries out one tool; never throws for what the caller did wrong, that is code 1 or 2. */
  run(call: ToolCall): ToolResult {
    const refusal = badRequest(call);
    if (refusal !== undefined) return failed(1, `bad request: ${refusal}`);
    if (this.#ended || !isToolName(call.tool)) {
      return failed(1, `bad request: unknown command: ${call.tool}`);
    }
    try {
      return this.#runTool(call.tool, call);
    } catch (error) {
      if (error instanceof HelpRequested) return done(helpText(call.tool));
      if (error instanceof StdinWanted) return NEEDS_STDIN;
      if (error instanceof UsageError) return failed(2, error.message);
      if (error instanceof ToolFailure) return failed(1, error.message);
      throw error;
    }
  }

  #runTool<Name extends ToolName>(tool: Name, call: ToolCall): ToolResult {
    const parsed = parseCall(tool, call.args, {
      relation: (text) => this.#run.relationProblem(text),
    });
    const handler: Handler<Name> = handlers[tool];
    const caller = new Caller(call.dir, parsed.format, call.stdin);
    const output = handler(this.#run, parsed.call, caller);
    const stderr = parsed.deprecatedFormat ? `--format flag deprecated for command "${tool}"` : '';
    if (output === undefined) return { code: 0, stdout: '', stderr };
    const text = 'text' in output ? output.text : formatValue(output.value, parsed.format);
    if (parsed.output === undefined) return { code: 0, stdout: text, stderr };
    writeOutput(resolve(call.dir, parsed.output), text);
    return { code: 0, stdout: '', stderr };
  }

  /** Applies every pending change. Call it inside store.tx(). @throws CommitRefused */
  commit(): void {
    this.#ended = true;
    applyChanges(this.#run);
  }

  /** Drops every pending change. */
  discard(): void {
    this.#ended = true;
  }

  /** What action-set and action-fail left; `failed` is the message of action-fail. */
  actionOutcome(): { results: Record<string, unknown>; failed: string | undefined } {
    const { actionResults, actionFailed } = this.#run.pending;
    return { results: actionResults, failed: actionFailed };
  }

  /** Set by juju-reboot: restart the machine after the hook, or at once. */
  reboot(): 'none' | 'after' | 'now' {
    return this.#run.reboot;
  }
}

function badRequest(call: ToolCall): string | undefined {
  if (call.tool === '') return 'command not specified';
  return call.dir.startsWith('/') ? undefined : 'Dir is not absolute';
}

function writeOutput(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch (error) {
    throw new ToolFailure(error instanceof Error ? error.message : String(error));
  }
}

function done(stdout: string): ToolResult {
  return { code: 0, stdout, stderr: '' };
}

/** Both exit codes print the same; 2 is a mistake in the words, 1 everything else. */
export function failed(code: 1 | 2, message: string): ToolResult {
  return { code, stdout: '', stderr: `ERROR ${message}\n` };
}

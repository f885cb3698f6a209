/**
 * The entry of every charm: one process per event. Parses the environment, reconciles or runs the
 * action, writes the status last, and exits.
 */
import { type HookContext, parseHookContext } from '../contract/context.ts';
import { connectHooks } from '../hooks/connect.ts';
import type { Hooks } from '../hooks/hooks.ts';
import { messageOf, OperatorError } from '../std/errors.ts';
import { collectSpans, traced } from '../std/trace.ts';
import { keepTrace } from '../std/trace-buffer.ts';
import type { AnyAction } from './action.ts';
import { type Decider, isStep, statusOf } from './decision.ts';
import { type Outcome, order, reconcile, type StepTable } from './reconcile.ts';

export interface Charm<World, Steps, Tools> {
  /** What steps and observation are given: hooks, context, and the charm's own ports. */
  tools(base: { hooks: Hooks; context: HookContext }): Tools;
  observe(tools: Tools): Promise<World>;
  deciders: readonly Decider<World, Steps>[];
  steps: StepTable<Steps, Tools>;
  actions: readonly AnyAction<World, Steps>[];
  /** Events after which nothing of the unit is left to observe or to say (default: remove). */
  lastEvents?: readonly string[];
  /** Directory in which spans are kept for whoever sends them; left out: nothing is traced. */
  traces?(context: HookContext): string;
  /** Called when the status has been written; `failed` lanes may want to be woken for a retry. */
  settled?(outcome: Outcome<World, Steps>, tools: Tools): Promise<void>;
}

/** @returns the exit code of the process: 0, also after a failed lane or a refused action */
export async function dispatch<World, Steps, Tools>(
  charm: Charm<World, Steps, Tools>,
  env: Record<string, string | undefined> = process.env,
): Promise<number> {
  const context = parseHookContext(env);
  const directory = charm.traces?.(context);
  if (directory === undefined) return connectAndRun(charm, context, env);
  const stop = collectSpans({
    'service.name': `${context.app}-charm`,
    juju_model: context.model.name,
    juju_model_uuid: context.model.uuid,
    juju_application: context.app,
    juju_unit: context.unit,
  });
  try {
    return await traced(context.name, {}, () => connectAndRun(charm, context, env));
  } finally {
    await keepTrace(directory, stop());
  }
}

async function connectAndRun<World, Steps, Tools>(
  charm: Charm<World, Steps, Tools>,
  context: HookContext,
  env: Record<string, string | undefined>,
): Promise<number> {
  const hooks = await connectHooks(env);
  try {
    await runEvent(charm, { hooks, context });
    return 0;
  } finally {
    await hooks.close();
  }
}

/** One event or action, with the hook tools given; what `dispatch` does between open and close. */
export async function runEvent<World, Steps, Tools>(
  charm: Charm<World, Steps, Tools>,
  { hooks, context }: { hooks: Hooks; context: HookContext },
): Promise<void> {
  const tools = charm.tools({ hooks, context });
  if (context.action === undefined) await runHook(charm, tools, hooks, context);
  else await runAction(charm, tools, hooks, context.action.name);
}

async function runHook<World, Steps, Tools>(
  charm: Charm<World, Steps, Tools>,
  tools: Tools,
  hooks: Hooks,
  context: HookContext,
): Promise<void> {
  const pending: Promise<void>[] = [];
  const silent = (charm.lastEvents ?? ['remove']).includes(context.name);
  // While no step runs it stays as it is: asked first, its answer comes with those to others.
  const before = hooks.statusGet();
  before.catch(() => undefined);
  const outcome = await reconcile({
    observe: () => charm.observe(tools),
    deciders: charm.deciders,
    steps: charm.steps,
    tools,
    onStep: (step) => {
      pending.push(hooks.log('INFO', `${String(step.kind)}: ${step.why}`));
    },
  });
  for (const { step, error } of outcome.failed) {
    pending.push(hooks.log('WARNING', `${String(step.kind)} failed: ${explain(error)}`));
  }
  await Promise.all(pending);
  if (!silent) {
    const wanted = statusOf(outcome.findings);
    const ran = outcome.applied.length + outcome.failed.length > 0;
    const now = ran ? await hooks.statusGet() : await before;
    if (now.status !== wanted.status || now.message !== wanted.message) {
      await hooks.statusSet(wanted.status, wanted.message);
    }
  }
  await charm.settled?.(outcome, tools);
}

async function runAction<World, Steps, Tools>(
  charm: Charm<World, Steps, Tools>,
  tools: Tools,
  hooks: Hooks,
  name: string,
): Promise<void> {
  const action = charm.actions.find((candidate) => candidate.name === name);
  if (action === undefined)
    return hooks.actionFail(`cannot run ${name}: this charm has no such action`);
  const parsed = parseParams(action, await hooks.actionGet());
  if ('refusal' in parsed) return hooks.actionFail(parsed.refusal);
  const { params } = parsed;
  try {
    const answer = action.plan(await charm.observe(tools), params);
    if (!answer.accepted) return await hooks.actionFail(answer.message);
    const results = { ...answer.results };
    for (const step of order(answer.steps.filter(isStep), charm.steps)) {
      await hooks.log('INFO', `${String(step.kind)}: ${step.why}`);
      const apply = () => charm.steps[step.kind].apply(step.args, tools);
      Object.assign(results, await traced(String(step.kind), { why: step.why }, apply));
    }
    if (Object.keys(results).length > 0) await hooks.actionSet(results);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    await hooks.actionFail(explain(error));
  }
}

/** What an operator has mistyped is his to read, whatever kind of error says it. */
function parseParams<World, Steps>(
  action: AnyAction<World, Steps>,
  raw: Record<string, unknown>,
): { params: unknown } | { refusal: string } {
  try {
    return { params: action.parse(raw) };
  } catch (error) {
    return { refusal: messageOf(error) };
  }
}

/** Message and hint of an OperatorError; the stack of anything else, which is a bug. */
export function explain(error: unknown): string {
  if (error instanceof OperatorError) {
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}

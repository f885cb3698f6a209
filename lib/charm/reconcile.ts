/**
 * The flow of one event: observe, decide, order, apply, settle. Knows no workload.
 *
 * A failing step stops its lane for this event and becomes a finding; the others go on. A step
 * marked destructive is observed and decided again immediately before it is carried out.
 */
import { messageOf, OperatorError } from '../std/errors.ts';
import { traced } from '../std/trace.ts';
import {
  blocked,
  type Decider,
  type Decision,
  type Finding,
  isStep,
  maintenance,
  type Step,
  sameStep,
} from './decision.ts';

export interface StepFamily<Args, Tools> {
  /**
   * Steps of one lane depend on each other, in order; lanes do not. By arguments where each of
   * several subjects (a relation, a database) must not hold up the others.
   */
  lane: string | ((args: Args) => string);
  /** Lower runs first; default 50. Within one priority deciders' order holds. */
  priority?: number;
  destructive?: boolean;
  /** Must be safe to repeat. What it returns is merged into the results of an action. */
  apply(args: Args, tools: Tools): Promise<Record<string, string> | undefined>;
}

export type StepTable<Steps, Tools> = { [K in keyof Steps]: StepFamily<Steps[K], Tools> };

export interface Reconciler<World, Steps, Tools> {
  observe(): Promise<World>;
  deciders: readonly Decider<World, Steps>[];
  steps: StepTable<Steps, Tools>;
  tools: Tools;
  /** Called before each step; for logs and tests. A throw here ends the event, as a crash would. */
  onStep?(step: Step<Steps>): void;
}

export interface Outcome<World, Steps> {
  world: World;
  findings: Finding[];
  applied: Step<Steps>[];
  failed: { step: Step<Steps>; error: unknown }[];
  results: Record<string, string>;
}

/** What an event has come to so far, over all its rounds. */
interface Progress<Steps> {
  applied: Step<Steps>[];
  failed: { step: Step<Steps>; error: unknown }[];
  results: Record<string, string>;
  /** Lanes in which a step failed. */
  stopped: Set<string>;
}

const MAX_ROUNDS = 5;

export async function reconcile<World, Steps, Tools>(
  charm: Reconciler<World, Steps, Tools>,
): Promise<Outcome<World, Steps>> {
  const progress: Progress<Steps> = { applied: [], failed: [], results: {}, stopped: new Set() };
  const { applied, failed, results } = progress;
  const observe = () => traced('observe', {}, () => charm.observe());
  let world = await observe();
  let decisions = decide(charm.deciders, world);

  for (let round = 0; round < MAX_ROUNDS; round++) {
    // A step that came back although it was carried out shows its effect later: leave it to the
    // event that reports the effect instead of repeating it in a loop.
    const plan = order(decisions.filter(isStep), charm.steps).filter(
      (step) => !applied.some((done) => sameStep<Steps>(done, step)),
    );
    const before = applied.length;
    await applyPlan(charm, plan, progress);
    if (applied.length === before) break;
    world = await observe();
    decisions = decide(charm.deciders, world);
  }
  const said = decisions.filter((decision): decision is Finding => decision.type === 'finding');
  return { world, findings: [...said, ...failed.map(explainFailure)], applied, failed, results };
}

/** Runs the deciders in their order. */
export function decide<World, Steps>(
  deciders: readonly Decider<World, Steps>[],
  world: World,
): Decision<Steps>[] {
  return deciders.flatMap((decider) => decider(world));
}

/** Stable sort by the priority of each kind. */
export function order<Steps, Tools>(
  steps: readonly Step<Steps>[],
  table: StepTable<Steps, Tools>,
): Step<Steps>[] {
  return steps.toSorted((a, b) => (table[a.kind].priority ?? 50) - (table[b.kind].priority ?? 50));
}

async function applyPlan<World, Steps, Tools>(
  charm: Reconciler<World, Steps, Tools>,
  plan: readonly Step<Steps>[],
  { applied, failed, results, stopped }: Progress<Steps>,
): Promise<void> {
  for (const step of plan) {
    const family = charm.steps[step.kind];
    const lane = typeof family.lane === 'string' ? family.lane : family.lane(step.args);
    if (stopped.has(lane)) continue;
    charm.onStep?.(step);
    try {
      const { kind, why } = step;
      if (family.destructive && !(await traced('confirm', {}, () => stillWanted(charm, step)))) {
        continue;
      }
      const apply = () => family.apply(step.args, charm.tools);
      Object.assign(results, await traced(String(kind), { why }, apply));
      applied.push(step);
    } catch (error) {
      stopped.add(lane);
      failed.push({ step, error });
    }
  }
}

async function stillWanted<World, Steps, Tools>(
  charm: Reconciler<World, Steps, Tools>,
  step: Step<Steps>,
): Promise<boolean> {
  const now = decide(charm.deciders, await charm.observe());
  return now.filter(isStep).some((candidate) => sameStep<Steps>(candidate, step));
}

function explainFailure<Steps>({ step, error }: { step: Step<Steps>; error: unknown }): Finding {
  const kind = String(step.kind);
  if (!(error instanceof OperatorError))
    return maintenance('step-failed', `${kind}: ${messageOf(error)}`);
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  const say = error.retry === 'never' ? blocked : maintenance;
  return say(error.code, `${error.message}${hint}`);
}

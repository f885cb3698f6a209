/**
 * What every step is given. Steps read the snapshot that the plan was made from; they never decide.
 */

import type { StepFamily } from '../../../lib/charm/reconcile.ts';
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import type { Random } from '../../../lib/std/random.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Steps } from '../model/steps.ts';

export interface Tools {
  readonly hooks: Hooks;
  readonly context: HookContext;
  /** The snapshot of this round. */
  world(): Snapshot;
  /** Keeps what was observed for the steps of this round, and of the first what had been kept. */
  observed(snapshot: Snapshot): Snapshot;
  readonly random: Random;
}

/** The code behind one kind of step. */
export type Family<K extends keyof Steps> = StepFamily<Steps[K], Tools>;
/** The part of the table that one file of this directory provides. */
export type Families<K extends keyof Steps> = { [Kind in K]: Family<Kind> };

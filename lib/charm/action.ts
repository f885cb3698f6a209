/** Actions have the shape of deciders: a plan from the world, or a refusal that says why. */
import type { Decision } from './decision.ts';

export interface Accepted<Steps> {
  readonly accepted: true;
  readonly steps: Decision<Steps>[];
  readonly results: Record<string, string>;
}
export interface Refused {
  readonly accepted: false;
  readonly code: string;
  /** Shown by `run`: what cannot be done and why. */
  readonly message: string;
}

export type Planned<Steps> = Accepted<Steps> | Refused;

export interface Action<World, Steps, Params> {
  readonly name: string;
  /** Throws an Error whose message names the parameter, the value and what is allowed. */
  parse(raw: Record<string, unknown>): Params;
  plan(world: World, params: Params): Planned<Steps>;
}

/** An action of whatever parameters: only what its own `parse` gave may go into its `plan`. */
export type AnyAction<World, Steps> = Action<World, Steps, unknown>;

export function accept<Steps>(
  steps: Decision<Steps>[],
  results: Record<string, string> = {},
): Accepted<Steps> {
  return { accepted: true, steps, results };
}

export function refuse(code: string, message: string): Refused {
  return { accepted: false, code, message };
}

/**
 * What a unit's agent can do next, and how much of it is remembered in `unit.operation`.
 *
 * An OperationState is written before its hook starts and removed in the transaction that commits
 * it: whatever a new controller finds there was interrupted.
 */
import type { HookInfo } from './hook-info.ts';

export type Operation =
  | { kind: 'hook'; hook: HookInfo }
  /** Counts the hook as done without running it: `resolved --no-retry`, or its reason is gone. */
  | { kind: 'skip-hook'; hook: HookInfo }
  /** Unpacks the application's charm; `upgrade-charm` follows, but not the first time or forced. */
  | { kind: 'unpack' }
  | { kind: 'enter-scope'; relationId: number }
  /** Of a relation that ends before its -created could run. */
  | { kind: 'leave-scope'; relationId: number }
  | { kind: 'accept-leadership' }
  | { kind: 'resign-leadership' }
  | { kind: 'action'; taskId: number }
  /** A command of juju-exec, waiting in the agent's memory. */
  | { kind: 'command' }
  /** The unit has nothing left to do: take it out of the model. */
  | { kind: 'die' };

/**
 * queued: to run next. pending: its process has been started. failed: waits for a retry.
 * unpacking: the charm directory is between two revisions.
 */
export type OperationStep = 'queued' | 'pending' | 'failed' | 'unpacking';

export interface OperationState {
  hook: HookInfo;
  step: OperationStep;
  /** Attempts that have failed so far. */
  attempts: number;
  /** Not before this time (milliseconds since the epoch). */
  retryAt: number;
  /** What the operator asked for with `resolved`. */
  resolve: null | 'retry' | 'no-retry';
}

export function queued(hook: HookInfo): OperationState {
  return { hook, step: 'queued', attempts: 0, retryAt: 0, resolve: null };
}

/**
 * What a kind of work across units consists of. The engine carries out its phases in order, writes
 * each into the record in etcd before it begins, and lets another agent go on when the owner dies:
 * every phase and every task must therefore be safe to repeat.
 */
import type { Log } from '../../../lib/std/log.ts';
import type { Desired, Member } from '../../charm/model/desired.ts';
import type { AgentWorld, WorkView } from '../../charm/model/world.ts';
import type { EtcdPort, PatroniPort, SqlPort } from '../../charm/workload/ports.ts';
import type { PoolerControl } from '../pooler/pause.ts';
import type { WorkRecord } from './record.ts';

export type WorkParams = Readonly<Record<string, string>>;

export interface WorkKind {
  readonly kind: WorkView['kind'];
  /** How long the whole work may take, in milliseconds; then it fails and is undone. */
  readonly limitMs: number;
  /** Refuses by throwing an OperatorError before any record exists. */
  check(context: WorkContext): Promise<void>;
  readonly phases: readonly Phase[];
  /** Parts that must happen on a certain unit, by name; run there at the owner's request. */
  readonly tasks?: Readonly<Record<string, Task>>;
  /** Puts back what a failed or abandoned run left. Safe to repeat, and after any phase. */
  undo?(context: WorkContext, reason: string): Promise<void>;
  /**
   * Puts right on this unit what a run left that ended while the unit was away. Called now and then
   * while no work is at hand, so it must be quick when there is nothing to do.
   *
   * @param record the newest one, whichever kind's it is
   */
  settle?(place: SettledPlace, record: WorkRecord | undefined): Promise<void>;
}

export interface SettledPlace {
  readonly desired: Desired;
  readonly log: Log;
}

export interface Phase {
  readonly name: string;
  /** May run again from its beginning, by another agent. */
  run(context: WorkContext): Promise<void>;
}

/** Runs on the unit that was asked. What it returns goes back to the owner. */
export type Task = (
  context: TaskContext,
  params: WorkParams,
) => Promise<Record<string, string> | undefined>;

export interface TaskContext {
  readonly desired: Desired;
  readonly log: Log;
  /** Aborted when the work is over, lost, or past its deadline. */
  readonly signal: AbortSignal;
  readonly etcd: EtcdPort;
  /** Patroni of this member, or of the first that answers. */
  patroni(member?: Member): PatroniPort;
  /** This unit's pooler; the agent alone commands it. */
  readonly pooler: PoolerControl;
  /** Superuser connection to this unit's PostgreSQL, over its socket. Close it. */
  localSql(): Promise<SqlPort>;
  /** The newest observation; never older than the watch's interval. */
  world(): AgentWorld;
  /** Observes at once what matters here, then answers as world() does. */
  observe(): Promise<AgentWorld>;
  sleep(ms: number): Promise<void>;
}

export interface WorkContext extends TaskContext {
  readonly id: string;
  readonly params: WorkParams;
  /** What earlier phases remembered, also those that another agent ran. */
  readonly memo: Readonly<Record<string, string>>;
  /** Writes into the record, fenced: throws when this agent is no longer the owner. */
  remember(facts: Record<string, string>): Promise<void>;
  /** A line of progress; followers see it. */
  note(line: string): Promise<void>;
  /** Results that the action reports when the work is done. */
  result(facts: Record<string, string>): Promise<void>;
  /** Superuser connection to the primary. Close it. */
  primarySql(): Promise<SqlPort>;
  /** Runs a task of this kind on a unit (also this one), fenced by the record's owner. */
  ask(
    member: Member,
    task: string,
    params: WorkParams,
    timeoutMs: number,
  ): Promise<Record<string, string>>;
}

/** What a kind of job is given and what it gives back. */
import type { BackupWish, Desired } from '../../charm/model/desired.ts';
import type { PgBackRest } from '../../charm/workload/pgbackrest.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import type { ObjectStore } from '../../charm/workload/s3.ts';

export interface JobContext {
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly desired: Desired;
  readonly backup: BackupWish;
  /** A line of the job's log, which followers see. */
  say(line: string): void;
  readonly pgbackrest: PgBackRest;
  store(): Promise<ObjectStore>;
  /** Superuser connection to this unit's PostgreSQL, over its socket. Close it. */
  localSql(): Promise<SqlPort>;
  /** Aborted when somebody has asked for the job's end. */
  readonly signal: AbortSignal;
}

/** @returns results for the action. @throws OperatorError with what the operator is to read */
export type JobKind = (context: JobContext) => Promise<Record<string, string>>;

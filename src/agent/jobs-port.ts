/** What the agent needs of jobs: long work in processes of its own that outlive the agent. */
import type { Log } from '../../lib/std/log.ts';
import type { Desired } from '../charm/model/desired.ts';
import type { AgentWorld, JobView, Observed, RepositoryView } from '../charm/model/world.ts';
import type { Ending } from '../charm/workload/ports.ts';

export interface Jobs {
  list(): JobView[];
  /** @returns the job's id. @throws OperatorError when it cannot start now */
  start(kind: string, params: Record<string, string>): Promise<string>;
  /** Lines from the first on, then the ending. @throws OperatorError `no-such-job` */
  follow(id: string, onLine: (line: string) => void, signal: AbortSignal): Promise<Ending>;
  cancel(id: string): Promise<void>;
  repository(): Observed<RepositoryView>;
  /** Releases timers; jobs go on running. */
  close(): void;
}

/** What the agent gives to `createJobs(context)`. */
export interface JobsContext {
  /** The directory of desired.json; jobs keep their records below `jobs/` in it. */
  readonly dir: string;
  /** Undefined until the first desired.json has been read. */
  desired(): Desired | undefined;
  world(): AgentWorld;
  readonly log: Log;
  /** To be called when a job has ended or the view of the repository has changed. */
  changed(): void;
}

/** What the agent needs of jobs: long work in processes of its own that outlive the agent. */
import { OperatorError } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { Desired } from '../charm/model/desired.ts';
import {
  type AgentWorld,
  type JobView,
  type Observed,
  type RepositoryView,
  unknown,
} from '../charm/model/world.ts';
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

/** While nothing on this unit can run jobs: there are none, and none can be started. */
export const noJobs: Jobs = {
  list: () => [],
  start: async (kind) => {
    throw noSuchJob(`cannot start a ${kind} job: this agent runs no jobs`);
  },
  follow: async (id) => {
    throw noSuchJob(`cannot follow job ${id}: there is none of that id`);
  },
  cancel: async (id) => {
    throw noSuchJob(`cannot cancel job ${id}: there is none of that id`);
  },
  repository: () => unknown('no backup store is related'),
  close: () => undefined,
};

function noSuchJob(message: string): OperatorError {
  return new OperatorError({ code: 'no-such-job', message, retry: 'never' });
}

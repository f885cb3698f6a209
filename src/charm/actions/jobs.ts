/** `show-job` and `cancel-job`: what has become of a job that was started with `wait=0`. */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';
import type { JobView } from '../model/world.ts';

interface JobId {
  id: string;
}

export const showJob: Action<Snapshot, Steps, JobId> = {
  name: 'show-job',
  parse: parseId,
  plan(world, { id }) {
    const job = jobOf(world, id);
    if (job === undefined) return refuse('no-such-job', unknownJob(world, id));
    const { kind, state, message, result } = job;
    const running = state === 'running';
    return accept([], { ...(running ? {} : result), kind, state, ...(message ? { message } : {}) });
  },
};

export const cancelJob: Action<Snapshot, Steps, JobId> = {
  name: 'cancel-job',
  parse: parseId,
  plan(world, { id }) {
    const job = jobOf(world, id);
    if (job === undefined) return refuse('no-such-job', unknownJob(world, id));
    if (job.state !== 'running') return accept([], { state: job.state });
    if (job.kind === 'restore') {
      return refuse('job-of-work', 'cannot cancel: this job is a part of a restore');
    }
    return accept([step('cancel-job', { id }, 'an operator asked')], { state: 'cancelled' });
  },
};

function parseId({ 'job-id': id }: Record<string, unknown>): JobId {
  if (typeof id === 'string' && id !== '') return { id };
  throw new Error('cannot find a job: job-id is missing');
}

function jobOf({ agent }: Snapshot, id: string): JobView | undefined {
  return agent.known ? agent.value.jobs.find((job) => job.id === id) : undefined;
}

function unknownJob({ agent, unit }: Snapshot, id: string): string {
  if (!agent.known) return `cannot reach this unit's agent: ${agent.reason}`;
  const known = agent.value.jobs.map((job) => job.id).join(', ');
  return `cannot find job ${id} on ${unit.name}; it has: ${known || 'none'}`;
}

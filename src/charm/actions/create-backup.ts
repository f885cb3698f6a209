/**
 * `run postgresql/1 create-backup type=full`: a job of this unit's agent, whose lines are shown.
 * The job copies from a replica where it can; the action only asks for it and tells its end.
 */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';
import { backupObstacle } from './backup-obstacle.ts';

export interface CreateBackup {
  type: 'full' | 'differential' | 'incremental';
  waitMs: number | undefined;
}

const TYPES: readonly unknown[] = ['full', 'differential', 'incremental'];

export const createBackup: Action<Snapshot, Steps, CreateBackup> = {
  name: 'create-backup',
  parse({ type = 'full', wait }) {
    if (!TYPES.includes(type)) {
      const allowed = 'full, differential, incremental';
      throw new Error(`Invalid backup type: ${type}. Possible values: ${allowed}.`);
    }
    return { type: type as CreateBackup['type'], waitMs: parseWait(wait) };
  },
  plan(world, { type, waitMs }) {
    const obstacle = backupObstacle(world);
    if (obstacle !== undefined) return refuse('backup-refused', obstacle);
    // What the repository is like the job finds out itself: this unit's view of it may be older.
    const params = { type };
    return accept([step('run-job', { kind: 'backup', params, waitMs }, 'an operator asked')]);
  },
};

/** Seconds; undefined waits to the end, 0 not at all. @throws Error when it is no such number */
function parseWait(wait: unknown): number | undefined {
  if (wait === undefined) return undefined;
  if (typeof wait === 'number' && Number.isInteger(wait) && wait >= 0) return wait * 1000;
  throw new Error(`cannot wait ${JSON.stringify(wait)}: allowed are seconds from 0`);
}

/** `run postgresql/0 list-backups`: the table of what the repository holds, on any unit. */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { readS3Parameters } from '../../../lib/relations/s3.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';
import { backupObstacle } from './backup-obstacle.ts';

export const listBackups: Action<Snapshot, Steps, Record<string, never>> = {
  name: 'list-backups',
  parse: () => ({}),
  plan(world) {
    const obstacle = backupObstacle(world);
    if (obstacle !== undefined) return refuse('list-refused', obstacle);
    const related = world.relations.find(({ endpoint }) => endpoint === 's3-parameters');
    const reading = readS3Parameters(related?.remoteApp ?? {});
    if (reading.state !== 'complete') return refuse('list-refused', 'no object store is related');
    const { bucket, path } = reading.value;
    return accept([step('list-backups', { bucket, path }, 'an operator asked')]);
  },
};

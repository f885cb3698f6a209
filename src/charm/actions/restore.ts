/**
 * `run postgresql/leader restore restore-to-time="2026-01-02 12:00:00"`: restores the whole
 * cluster, of any size, from any unit. What must be true before anything stops is checked by the
 * work itself.
 */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { parseRequest, type RestoreRequest } from '../model/restore-target.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';
import { backupObstacle } from './backup-obstacle.ts';

export const restore: Action<Snapshot, Steps, RestoreRequest> = {
  name: 'restore',
  parse({ 'backup-id': id, 'restore-to-time': time }) {
    const request = { backupId: textOf(id), restoreToTime: textOf(time) };
    const parsed = parseRequest(request);
    if (!parsed.ok) throw new Error(parsed.reason);
    return request;
  },
  plan(world, { backupId, restoreToTime }) {
    const obstacle = backupObstacle(world);
    if (obstacle !== undefined) return refuse('restore-refused', obstacle);
    const cluster = probe(world, 'cluster');
    if (!cluster.known) return refuse('cluster-unknown', `cannot restore: ${cluster.reason}`);
    const params = {
      ...(backupId === undefined ? {} : { 'backup-id': backupId }),
      ...(restoreToTime === undefined ? {} : { 'restore-to-time': restoreToTime }),
    };
    return accept([step('run-work', { kind: 'restore', params }, 'an operator asked')]);
  },
};

function textOf(value: unknown): string | undefined {
  return value === undefined || value === '' ? undefined : String(value);
}

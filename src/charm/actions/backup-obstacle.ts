/** Why this unit cannot speak to a repository at all, in the reference's words. Pure. */
import { readS3Parameters } from '../../../lib/relations/s3.ts';
import type { Snapshot } from '../model/snapshot.ts';

const NO_RELATION =
  'Relation with s3-integrator charm missing, cannot create/restore backup. ' +
  'Integrate s3-parameters with an object store';

export function backupObstacle(world: Snapshot): string | undefined {
  const related = world.relations.find(({ endpoint }) => endpoint === 's3-parameters');
  if (related === undefined || related.ending) return NO_RELATION;
  const reading = readS3Parameters(related.remoteApp);
  if (reading.state === 'absent') return `${NO_RELATION}; ${related.app} has not answered yet`;
  if (reading.state === 'incomplete') {
    return `Missing S3 parameters: ${JSON.stringify(reading.missing)}`;
  }
  if (reading.state === 'invalid') return `the S3 settings cannot be used: ${reading.reason}`;
  if (!world.agent.known) return `cannot reach this unit's agent: ${world.agent.reason}`;
  return undefined;
}

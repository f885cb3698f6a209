/**
 * Runs the operator's fence-command. Its exit code is the whole answer: 0 says that the machine of
 * the unit is certainly off, anything else, or no end in time, says nothing.
 */
import { dirname } from 'node:path';
import { run } from '../../../lib/machine/run.ts';
import type { Desired, Member } from '../../charm/model/desired.ts';

/** Beyond this the lease has mostly run out by itself. */
const TIMEOUT_MS = 20_000;

/** @throws OperatorError `command-failed` with its last words when it says no */
export async function prove(desired: Desired, command: string, member: Member): Promise<void> {
  const { unit, wake, paths } = desired;
  // What a machine offers beside juju-exec is found by its name.
  const programs = dirname(wake.command[0] ?? '/usr/bin/juju-exec');
  // The operator's own words, into which nothing is put: the names come in the environment.
  await run('/bin/sh', ['-c', command], {
    timeoutMs: TIMEOUT_MS,
    cwd: paths.base,
    env: {
      PATH: `${programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      JUJU_UNIT_NAME: unit.name,
      JUJU_MODEL_NAME: unit.model,
      JUJU_MODEL_UUID: unit.modelUuid,
      FENCE_UNIT: member.unit,
      FENCE_ADDRESS: member.address,
    },
  });
}

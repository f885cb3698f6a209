/** What is refused before a restore begins: members that cannot be told to stop. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Jobs } from '../../../src/agent/jobs-port.ts';
import type { WorkContext } from '../../../src/agent/work/kind.ts';
import { restoreKind } from '../../../src/agent/work/restore.ts';
import { known, unknown } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

/** Listing the repository is what comes next, and fails here. */
const jobs = {
  start: async () => 'list-1',
  follow: async () => ({ outcome: 'failed', message: 'asked for the list', result: {} }),
} as unknown as Jobs;

/** @param silentFor how often the other unit's agent is looked at in vain */
function asking(silentFor: number, state = 'streaming') {
  const members = [aMember('pg-0', { role: 'primary' }), aMember('pg-1', { state })];
  const units = members.map(({ name, address }) => ({ unit: name, member: name, address }));
  const counted = { looks: 0 };
  let world = aWorld({});
  const context: Partial<WorkContext> = {
    desired: { unit: { name: 'pg-0' }, members: units } as unknown as WorkContext['desired'],
    params: { 'restore-to-time': 'latest' },
    async observe() {
      // The first look is for the cluster.
      const silent = counted.looks++ <= silentFor;
      const peer = silent ? unknown('no answer') : known({ generation: 1, poolerUsers: [] });
      world = aWorld({ cluster: known(clusterOf(members)), peers: { 'pg-1': peer } });
      return world;
    },
    world: () => world,
    sleep: async () => undefined,
  };
  return { counted, check: () => restoreKind(() => jobs).check(context as WorkContext) };
}

describe('a restore', () => {
  test('looks again at a member whose agent does not answer at once', async () => {
    const { counted, check } = asking(3);
    await assert.rejects(check(), { message: /asked for the list/ });
    assert.equal(counted.looks, 5);
  });

  test('is refused while a running member does not answer', async () => {
    const { check } = asking(Number.POSITIVE_INFINITY);
    await assert.rejects(check(), { message: /pg-1 is a running member and does not answer/ });
  });

  test('needs no answer of a member that is stopped', async () => {
    const { check } = asking(Number.POSITIVE_INFINITY, 'stopped');
    await assert.rejects(check(), { message: /asked for the list/ });
  });
});

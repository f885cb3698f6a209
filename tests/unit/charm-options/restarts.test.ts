/** When the leader has members restarted: once for each change and each member, never in a loop. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rollingRestart } from '../../../src/charm/decide/dynamic.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { type ClusterMember, known, type WorkView } from '../../../src/charm/model/world.ts';
import { optionsOf } from '../../support/machine.ts';
import { IDENTIFIER, joining } from '../../support/world.ts';

const member = (number: number, pendingRestart: boolean): ClusterMember => ({
  name: `postgresql-${number}`,
  address: `10.0.0.1${number}`,
  role: number === 1 ? 'primary' : 'sync-standby',
  state: 'running',
  timeline: 1,
  lagBytes: 0,
  streaming: number !== 1,
  pendingRestart,
  tags: {},
});

const settled = joining();
settled.elsewhere = { initialized: IDENTIFIER, members: [member(1, false)] };
settled.committed.app['system-identifier'] = IDENTIFIER;
await settled.settle();

/** The leader's view while the members of these numbers need a restart. */
function pending(numbers: number[], work?: WorkView, config = {}): Snapshot {
  const world = { ...settled.snapshot(), options: optionsOf({ profile: 'testing', ...config }) };
  assert.ok(world.agent.known && world.agent.value.cluster.known);
  const members = [0, 1].map((number) => member(number, numbers.includes(number)));
  const cluster = known({ ...world.agent.value.cluster.value, members });
  const unit = { ...world.unit, isLeader: true };
  return { ...world, unit, agent: known({ ...world.agent.value, cluster, work }) };
}

function workOf(world: Snapshot, outcome: WorkView['outcome'] = 'done'): WorkView {
  const [start] = rollingRestart(world);
  assert.ok(start?.type === 'step' && start.kind === 'start-work');
  assert.equal(start.args.kind, 'restart');
  const times = { startedAt: 0, deadline: 0, phase: 'done', owner: 'postgresql/0', message: '' };
  return { id: '1', kind: 'restart', params: start.args.params, outcome, ...times };
}

describe('a rolling restart', () => {
  test('is started when a member needs it, and not before', () => {
    assert.deepEqual(rollingRestart(pending([])), []);
    assert.equal(workOf(pending([0, 1])).params['members'], 'postgresql-0,postgresql-1');
  });

  test('is not repeated for a member that it did not help; the status names it', () => {
    const work = workOf(pending([0, 1]));
    const [said] = rollingRestart(pending([1], work));
    assert.ok(said?.type === 'finding' && said.code === 'restart-pending');
    assert.equal(said.message, 'a restart is pending on postgresql-1');
  });

  test('is started again for a member that heard of the change later', () => {
    const work = workOf(pending([0]));
    assert.equal(workOf(pending([1], work)).params['members'], 'postgresql-1');
  });

  test('is started again for another change, also one that only this unit renders', () => {
    const work = workOf(pending([0, 1]));
    const changed = pending([0, 1], work, { 'memory-shared-buffers': 5000 });
    assert.notEqual(workOf(changed).params['settings'], work.params['settings']);
  });

  test('waits for the one in progress, and for options that are valid', () => {
    const work = { ...workOf(pending([0, 1])), outcome: 'running' as const };
    assert.partialDeepStrictEqual(rollingRestart(pending([0], work)), [{ code: 'restarting' }]);
    assert.deepEqual(rollingRestart(pending([0], undefined, { profile: 'none' })), []);
  });
});

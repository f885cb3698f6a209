/** The action reclone, and what a unit says of a member that cannot follow. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { statusOf } from '../../../lib/charm/decision.ts';
import { reclone } from '../../../src/charm/actions/reclone.ts';
import { status } from '../../../src/charm/decide/status.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { type ClusterMember, known, type RecloneView } from '../../../src/charm/model/world.ts';
import { IDENTIFIER, joining } from '../../support/world.ts';
import { aMember } from '../agent/cluster.ts';

const primary = aMember('postgresql-1', { role: 'primary' });
const broken = aMember('postgresql-0', { state: 'start failed' });
const healthy = aMember('postgresql-0', { streaming: true });
const quarantined: RecloneView = {
  state: 'quarantined',
  reason: 'PostgreSQL does not start (start failed)',
  attempts: 3,
};

/** The snapshot of postgresql/0. */
async function within(members: ClusterMember[], trouble?: RecloneView): Promise<Snapshot> {
  const world = joining();
  world.elsewhere = { initialized: IDENTIFIER, members: [primary] };
  world.committed.app['system-identifier'] = IDENTIFIER;
  await world.settle();
  const snapshot = world.snapshot();
  assert.ok(snapshot.agent.known && snapshot.agent.value.cluster.known);
  const { value } = snapshot.agent;
  const cluster = known({ ...snapshot.agent.value.cluster.value, members });
  const more = trouble === undefined ? {} : { reclone: trouble };
  return { ...snapshot, agent: known({ ...value, cluster, ...more }) };
}

const plan = (world: Snapshot, given: { release?: boolean; force?: boolean } = {}) =>
  reclone.plan(world, reclone.parse(given));
const code = (answer: ReturnType<typeof plan>) => (answer.accepted ? 'accepted' : answer.code);

describe('reclone', () => {
  test('has a member cloned that does not follow', async () => {
    const answer = plan(await within([primary, broken]));
    assert.ok(answer.accepted);
    const args = { kind: 'reclone', params: { member: 'postgresql-0' } };
    assert.partialDeepStrictEqual(answer.steps, [{ kind: 'run-work', args }]);
  });

  test('never the primary, and nothing while there is none', async () => {
    const own = await within([aMember('postgresql-0', { role: 'primary' })]);
    const force = { release: true, force: true };
    assert.equal(code(plan(own, force)), 'is-primary');
    assert.equal(code(plan(await within([broken]), force)), 'no-primary');
    assert.equal(code(plan(await within([primary]), force)), 'not-a-member');
  });

  test('one that follows only by force', async () => {
    const world = await within([primary, healthy]);
    assert.equal(code(plan(world)), 'member-follows');
    assert.equal(code(plan(world, { force: true })), 'accepted');
  });

  test('one that is quarantined only with release, which names why', async () => {
    const world = await within([primary, broken], quarantined);
    const answer = plan(world, { force: true });
    assert.match(answer.accepted ? '' : answer.message, /does not start .*release=true/);
    const released = plan(world, { release: true });
    assert.ok(released.accepted);
    const args = { params: { member: 'postgresql-0', release: 'true' } };
    assert.partialDeepStrictEqual(released.steps, [{ args }]);
  });

  test('takes no other values', () => {
    assert.throws(() => reclone.parse({ release: 'yes' }), /release is "yes", allowed: true/);
  });
});

describe('the status of a member that cannot follow', () => {
  const said = async (trouble?: RecloneView) => {
    const findings = status(await within([primary, broken], trouble));
    return statusOf(findings.filter((each) => each.type === 'finding'));
  };

  test('is blocked in quarantine, with the reason and the cure', async () => {
    const { status: level, message } = await said(quarantined);
    assert.equal(level, 'blocked');
    assert.match(message, /does not start \(start failed\); cloned 3 times .*reclone release=true/);
  });

  test('says before what its clone waits for', async () => {
    const waitsFor = 'the primary does not answer';
    const { status: level, message } = await said({ ...quarantined, state: 'waiting', waitsFor });
    assert.equal(level, 'waiting');
    assert.match(message, /not cloned yet: the primary does not answer/);
  });

  test('without trouble is as ever', async () => {
    assert.equal((await said()).message, 'waiting for PostgreSQL: start failed');
  });
});

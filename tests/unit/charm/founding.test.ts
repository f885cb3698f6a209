/** The first database of an application: made in one run, begun again when that was cut short. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { etcdEndpoints } from '../../../src/charm/decide/etcd.ts';
import { patroni } from '../../../src/charm/decide/patroni.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { type ClusterMember, known, unknown } from '../../../src/charm/model/world.ts';
import { IDENTIFIER, joining, UnitWorld } from '../../support/world.ts';

const FOREIGN = '7100000000000000099';
/** Its configuration is another's concern. */
const isMeant = (kind: string) => kind !== 'write-file';
const kinds = (world: Snapshot) =>
  patroni(world)
    .flatMap((each) => (each.type === 'step' ? [each.kind] : []))
    .filter(isMeant);

/** This unit's member, which has no database. */
function without(state: string): ClusterMember {
  return {
    name: 'postgresql-0',
    address: '10.0.0.10',
    role: 'replica',
    state,
    timeline: undefined,
    lagBytes: undefined,
    streaming: false,
    pendingRestart: false,
    tags: {},
  };
}

/** The founder's unit after its machine came back: Patroni was started for one run, and is down. */
async function cutShort(): Promise<UnitWorld> {
  const world = new UnitWorld();
  await world.settle();
  world.committed.app = { 'etcd-endpoints': world.committed.app['etcd-endpoints'] ?? '' };
  delete world.committed.appSecret?.['system-identifier'];
  const service = world.services['patroni'];
  assert.ok(service);
  world.services['patroni'] = { ...service, running: false, wantedUp: false, once: true };
  world.founding = true;
  return world;
}

describe('the first database', () => {
  test('is made in a run that is not repeated, which runs on when it is made', async () => {
    const world = new UnitWorld();
    await world.hook();
    const { plan } = await world.hook();
    assert.ok(plan.some((line) => /start-service.*patroni.*"once":true/.test(line)));
    assert.equal(world.services['patroni']?.wantedUp, false);
    world.reality();
    const { kinds: next } = await world.hook();
    assert.ok(next.includes('keep-service'));
    assert.equal(world.services['patroni']?.wantedUp, true);
    assert.equal(world.committed.app['system-identifier'], IDENTIFIER);
  });

  const rests = [
    { systemIdentifier: IDENTIFIER, debris: false },
    { systemIdentifier: undefined, debris: true },
  ];
  for (const rest of rests) {
    const what = rest.debris ? 'files' : 'a control file';
    test(`is begun again beside ${what} of initdb`, async () => {
      const world = await cutShort();
      world.data = { ...rest, etcdMember: true };
      const { kinds: done, plan } = await world.hook();
      assert.deepEqual(done.filter(isMeant).slice(0, 2), ['set-data-aside', 'start-service']);
      assert.ok(plan.some((line) => /start-service.*"once":true/.test(line)));
      assert.equal(world.founding, false);
    });
  }

  test('is begun again where initdb had not written anything', async () => {
    const world = await cutShort();
    world.data = { systemIdentifier: undefined, debris: false, etcdMember: true };
    assert.equal((await world.hook()).kinds.find(isMeant), 'start-service');
    assert.equal(world.founding, false);
  });

  test('is begun again where Patroni waits for itself, and nowhere else', async () => {
    const world = await cutShort();
    const service = world.services['patroni'];
    assert.ok(service);
    world.services['patroni'] = { ...service, running: true };
    const stopped = (state: string, empty = true): Snapshot => {
      world.data = { systemIdentifier: undefined, debris: !empty, etcdMember: true };
      const seen = world.snapshot();
      assert.ok(seen.agent.known && seen.agent.value.cluster.known);
      const cluster = known({ ...seen.agent.value.cluster.value, members: [without(state)] });
      return { ...seen, agent: known({ ...seen.agent.value, cluster }) };
    };
    assert.deepEqual(kinds(stopped('stopped')), ['forget-founding']);
    assert.ok(!kinds(stopped('initializing new cluster')).includes('forget-founding'));
    assert.ok(!kinds(stopped('stopped', false)).includes('forget-founding'));
    world.founding = false;
    assert.ok(!kinds(stopped('stopped')).includes('forget-founding'));
  });

  test('is left as it is while etcd does not say what became of it', async () => {
    const world = await cutShort();
    world.data = { systemIdentifier: IDENTIFIER, debris: false, etcdMember: true };
    const seen = world.snapshot();
    assert.ok(seen.agent.known && seen.agent.value.cluster.known);
    const { value } = seen.agent;
    const silent = { ...seen, agent: known({ ...value, cluster: unknown('no answer') }) };
    assert.deepEqual(kinds(silent), []);
    const before = known({ ...seen.agent.value.cluster.value, founding: false });
    assert.deepEqual(kinds({ ...seen, agent: known({ ...value, cluster: before }) }), []);
  });

  test('is never set aside when etcd or the databag names it', async () => {
    const world = await cutShort();
    world.data = { systemIdentifier: IDENTIFIER, debris: false, etcdMember: true };
    world.committed.app['system-identifier'] = IDENTIFIER;
    assert.deepEqual(kinds(world.snapshot()), ['start-service']);
    delete world.committed.app['system-identifier'];
    world.founding = false;
    assert.deepEqual(kinds(world.snapshot()), ['start-service']);
  });

  test('is named by secret and databag, and each gives back what the other lost', async () => {
    const world = new UnitWorld();
    await world.settle();
    assert.equal(world.committed.appSecret?.['system-identifier'], IDENTIFIER);
    delete world.committed.appSecret['system-identifier'];
    await world.settle();
    assert.equal(world.committed.appSecret?.['system-identifier'], IDENTIFIER);
  });

  test('is not made again when the databag is lost: units know where etcd is', async () => {
    const world = new UnitWorld();
    await world.settle();
    const before = world.committed.app;
    world.committed.app = {};
    const { kinds: done } = await world.hook();
    assert.ok(!done.some((kind) => /start-service|set-data-aside|remove/.test(kind)), done.join());
    assert.deepEqual(world.committed.app, before);
    world.committed.app = {};
    world.committed.own = { ...world.committed.own, 'etcd-hosts': '' };
    world.data = { ...world.data, etcdMember: false };
    const [finding] = etcdEndpoints(world.snapshot());
    assert.match(JSON.stringify(finding), /blocked.*nobody knows where etcd is/);
  });

  test('that was on the storage before is taken over, not set aside', async () => {
    const world = new UnitWorld();
    world.data = { systemIdentifier: FOREIGN, debris: false, etcdMember: false };
    const started: string[] = [];
    for (let round = 0; round < 6; round++) {
      const { plan } = await world.hook();
      started.push(...plan.filter((line) => /"start-service".*"patroni"/.test(line)));
      assert.doesNotMatch(plan.join(), /set-data-aside/);
      world.reality();
    }
    assert.equal(started.length, 1);
    assert.doesNotMatch(started.join(), /once/);
  });

  test('is made by nobody else: other units have no settings for it', async () => {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    await world.settle();
    const config = world.files[world.snapshot().layout.patroniConfig] ?? '';
    assert.match(config, /"scope"/);
    assert.doesNotMatch(config, /"bootstrap"/);
  });
});

describe('a clone that was cut short under a Patroni that came back', () => {
  async function clone(state: string): Promise<string[]> {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    world.committed.app['system-identifier'] = IDENTIFIER;
    await world.settle();
    world.elsewhere.members.push(without(state));
    world.data = { systemIdentifier: undefined, debris: true, etcdMember: false };
    return (await world.hook()).kinds;
  }

  test('is given up and begun again', async () => {
    assert.deepEqual(await clone('stopped'), ['stop-service', 'set-data-aside', 'start-service']);
  });

  test('is left alone while it is at work', async () => {
    assert.deepEqual(await clone('creating replica'), []);
  });
});

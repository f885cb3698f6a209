/**
 * The life of one unit, event by event: nothing, primary, trouble, gone. Every way there may be cut
 * short before any step; the next events must end in the same unit.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientUrl } from '../../src/charm/model/etcd-facts.ts';
import { IDENTIFIER, joining, UnitWorld } from '../support/world.ts';

/** What has come of a unit, without what numbers the way there. */
function result(world: UnitWorld) {
  const { generation: _, ...desired } = world.desired() ?? { generation: 0 };
  const { layout } = world.snapshot();
  const { [layout.desired]: __, ...files } = world.files;
  const { committed, services, directories, data } = world;
  return { committed, services, directories, data, desired, files };
}

async function primary(): Promise<UnitWorld> {
  const world = new UnitWorld();
  await world.settle();
  return world;
}

describe('a unit from nothing', () => {
  test('becomes primary, and then has nothing left to do', async () => {
    const world = new UnitWorld();
    const { status, kinds } = await world.settle();
    assert.deepEqual(status, { status: 'active', message: 'Primary' });
    assert.deepEqual(kinds, []);
    assert.equal(world.committed.app['etcd-endpoints'], clientUrl('10.0.0.10'));
    assert.equal(world.committed.app['system-identifier'], IDENTIFIER);
  });

  test('says no secret in any plan, log or status', async () => {
    const world = new UnitWorld();
    const said: string[] = [];
    for (let event = 0; event < 8; event++) {
      said.push(...(await world.hook()).plan);
      world.reality();
    }
    const text = said.join('\n');
    assert.ok(world.secrets().length > 5);
    for (const secret of world.secrets()) assert.ok(!text.includes(secret), secret);
  });

  test('comes to the same end wherever an event is cut short', async () => {
    const whole = new UnitWorld();
    const steps = (await whole.hook()).kinds.length;
    whole.reality();
    await whole.settle();
    assert.ok(steps > 15, `only ${steps} steps`);
    for (let dieBefore = 0; dieBefore < steps; dieBefore++) {
      const world = new UnitWorld();
      const cut = await world.hook('config-changed', dieBefore);
      assert.equal(cut.kinds.length, dieBefore);
      world.reality();
      await world.settle();
      assert.deepEqual(result(world), result(whole), `cut before step ${dieBefore}`);
    }
  });

  test('a refused option blocks it, and nothing of the settings is written', async () => {
    const world = new UnitWorld();
    world.config = { profile: 'enormous' };
    const { status } = await world.settle();
    assert.equal(status?.status, 'blocked');
    assert.match(status?.message ?? '', /profile.*enormous.*production, testing/);
    const { layout } = world.snapshot();
    assert.equal(world.files[layout.patroniConfig], undefined);
    assert.equal(world.files[layout.desired], undefined);
    world.config = { profile: 'testing' };
    assert.equal((await world.settle()).status?.status, 'active');
  });
});

describe('a unit that joins', () => {
  test('is not active before the leader has said where etcd is', async () => {
    const world = joining();
    world.committed.app = {};
    const { status } = await world.settle();
    assert.equal(status?.status, 'waiting');
    assert.match(status?.message ?? '', /the leader/);
  });

  test('never creates a database: it waits until the first primary has', async () => {
    const world = joining();
    const { status } = await world.settle();
    assert.equal(status?.status, 'waiting');
    assert.equal(world.services['patroni']?.wantedUp, false);
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    await world.settle();
    assert.equal(world.services['patroni']?.wantedUp, true);
    assert.ok(!world.files[world.snapshot().layout.patroniConfig]?.includes('"dcs"'));
  });

  test('with data of another database it is blocked and starts nothing on them', async () => {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    world.data = { ...world.data, systemIdentifier: '1' };
    const { status } = await world.settle();
    assert.equal(status?.status, 'blocked');
    assert.match(status?.message ?? '', /another database/);
    assert.equal(world.services['patroni']?.wantedUp, false);
  });

  test('it runs no etcd and publishes none', async () => {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    await world.settle();
    assert.equal(world.services['etcd']?.wantedUp, false);
    assert.deepEqual(world.committed.app, {
      'etcd-endpoints': clientUrl('10.0.0.11'),
      'etcd-epoch': '1',
    });
  });
});

describe('trouble', () => {
  test('a supervisor that was killed is started, and nothing else is touched', async () => {
    const world = await primary();
    world.supervised = false;
    assert.deepEqual((await world.hook()).kinds, ['start-supervisor']);
  });

  test('a lost etcd is never founded again over a database that exists', async () => {
    const world = await primary();
    world.data = { ...world.data, etcdMember: false };
    world.services['etcd'] = { ...absent(world, 'etcd'), running: false, wantedUp: false };
    const { status, kinds } = await world.hook();
    assert.equal(status?.status, 'blocked');
    assert.match(status?.message ?? '', /promote-to-primary scope=unit force=true/);
    assert.ok(!kinds.includes('start-service'));
  });

  test('an etcd of an earlier epoch is stopped and its data go', async () => {
    const world = await primary();
    const data = { ip: '10.0.0.11', 'etcd-reformed': '2' };
    world.others = [{ name: 'postgresql/1', data, dying: false }];
    world.planned = ['postgresql/0', 'postgresql/1'];
    world.supervised = false;
    const { kinds } = await world.hook();
    assert.ok(kinds.indexOf('stop-service') < kinds.indexOf('start-supervisor'), kinds.join());
    assert.ok(kinds.includes('remove-etcd-data'));
    assert.equal(world.committed.app['etcd-endpoints'], clientUrl('10.0.0.11'));
    assert.equal(world.committed.app['etcd-epoch'], '2');
  });
});

describe('a unit that leaves', () => {
  test('hands over before it stops, and starts nothing again', async () => {
    const world = await primary();
    world.dying = true;
    world.planned = ['postgresql/1'];
    const { kinds } = await world.hook('data-storage-detaching');
    assert.equal(kinds[0], 'leave-cluster');
    assert.ok(kinds.includes('stop-service'));
    assert.equal(world.services['patroni']?.wantedUp, false);
    world.event = { stopping: true };
    const stop = await world.hook('stop');
    assert.ok(!stop.kinds.includes('start-service'));
    assert.deepEqual(
      Object.values(world.services).map(({ wantedUp }) => wantedUp),
      Object.values(world.services).map(() => false),
    );
    await world.hook('remove');
    assert.equal(world.removed, true);
  });

  test('whose machine was restarted starts what it hands over with, and nothing else', async () => {
    const world = await primary();
    world.dying = true;
    world.planned = ['postgresql/1'];
    world.supervised = false;
    const { kinds } = await world.hook('data-storage-detaching');
    assert.deepEqual(kinds.slice(0, 2), ['start-supervisor', 'leave-cluster']);
    assert.ok(!kinds.some((kind) => /start-service|write-file/.test(kind)), kinds.join());
    assert.equal(world.services['patroni']?.wantedUp, false);
  });

  test('with a voter that nobody has removed gives the leader a last chance', async () => {
    const world = await primary();
    world.dying = true;
    world.planned = ['postgresql/1'];
    const { kinds } = await world.hook('data-storage-detaching');
    assert.ok(!kinds.includes('start-supervisor'));
    assert.equal(world.services['etcd']?.wantedUp, true);
    world.event = { stopping: true };
    const { plan } = await world.hook('stop');
    assert.match(plan[0] ?? '', /leave-cluster.*90000/);
    assert.equal(world.services['etcd']?.wantedUp, false);
    world.supervised = false;
    assert.deepEqual((await world.hook('stop')).kinds, []);
  });

  test('with the only data waits for the units that stay to clone them', async () => {
    const { world } = await leavingWith({});
    const { plan, kinds, status } = await world.hook('data-storage-detaching');
    assert.match(plan[0] ?? '', /leave-cluster.*"heirs":\["postgresql-1"\]/);
    assert.match(status?.message ?? '', /only copy of the data/);
    assert.equal(kinds.filter((kind) => kind === 'leave-cluster').length, 1);
    // What has stopped serves no clone: the last event waits for the voter alone.
    world.event = { stopping: true };
    assert.match((await world.hook('stop')).plan[0] ?? '', /leave-cluster.*"heirs":\[\]/);
  });

  test('waits for no clone where a unit that stays has said that it holds the data', async () => {
    const { world } = await leavingWith({ 'system-identifier': IDENTIFIER });
    const { plan, status } = await world.hook('data-storage-detaching');
    assert.match(plan[0] ?? '', /leave-cluster.*"heirs":\[\]/);
    assert.equal(status?.message, 'leaving the cluster');
  });

  test('that founded just before its power went serves what it has made', async () => {
    const { world } = await leavingWith({});
    const patroni = absent(world, 'patroni');
    world.services['patroni'] = { ...patroni, running: false, wantedUp: false, once: true };
    world.supervised = false;
    const { kinds } = await world.hook('data-storage-detaching');
    assert.deepEqual(kinds.slice(0, 3), ['start-supervisor', 'start-service', 'leave-cluster']);
    assert.equal(world.services['patroni']?.wantedUp, false);
    assert.deepEqual((await world.hook('data-storage-detaching')).kinds, []);
  });

  test('the last one hands nothing over', async () => {
    const world = await primary();
    world.dying = true;
    world.planned = [];
    const { kinds } = await world.hook('data-storage-detaching');
    assert.ok(!kinds.includes('leave-cluster'));
    assert.equal(world.services['patroni']?.wantedUp, false);
    assert.equal(world.services['etcd']?.wantedUp, false);
  });
});

/** A primary that leaves, and the databag of the one unit that stays. */
async function leavingWith(data: Record<string, string>) {
  const world = await primary();
  world.dying = true;
  world.planned = ['postgresql/1'];
  world.others = [{ name: 'postgresql/1', data: { ip: '10.0.0.11', ...data }, dying: false }];
  return { world };
}

function absent(world: UnitWorld, name: string) {
  const service = world.services[name];
  if (service === undefined) throw new Error(`there is no service ${name}`);
  return service;
}

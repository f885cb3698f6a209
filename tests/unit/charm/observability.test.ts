/** What a unit offers to whoever watches it, and the exporter that runs only for them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exporter, observability } from '../../../src/charm/decide/observability.ts';
import type { Relation, ServiceFacts, Snapshot } from '../../../src/charm/model/snapshot.ts';
import { known } from '../../../src/charm/model/world.ts';
import { UnitWorld } from '../../support/world.ts';

const related: Relation = {
  endpoint: 'cos-agent',
  id: 5,
  app: 'monitoring',
  ending: false,
  localApp: {},
  localUnit: {},
  remoteApp: {},
  units: [],
};
const files = {
  groups: [{ name: 'own', rules: [{ alert: 'Down', expr: 'up{%%topology%%} == 0' }] }],
  logGroups: [],
  dashboards: ['board'],
};

/** A unit that is up, as one that is related sees itself. */
async function watched(relations: readonly Relation[] = [related]): Promise<Snapshot> {
  const world = new UnitWorld();
  await world.settle();
  const snapshot = world.snapshot();
  const { machine, program } = snapshot;
  const versions = { ...machine.packages.versions, exporter: '' };
  return {
    ...snapshot,
    relations,
    machine: { ...machine, packages: { ...machine.packages, versions } },
    program: { ...program, monitoring: files },
  };
}

function withService(world: Snapshot, change: Partial<ServiceFacts>): Snapshot {
  const fresh = { ...world.services['agent'], ...change } as ServiceFacts;
  return { ...world, services: { ...world.services, exporter: fresh } };
}

function withRoles(world: Snapshot, memberOf: string[] | undefined): Snapshot {
  assert.ok(world.agent.known);
  const monitoring = { name: 'monitoring', login: true, superuser: false };
  const roles = memberOf === undefined ? [] : [{ ...monitoring, memberOf }];
  const database = {
    systemIdentifier: '1',
    serverVersion: '15.18',
    databases: [],
    roles,
    ...NO_PLUGINS,
  };
  return { ...world, agent: known({ ...world.agent.value, database: known(database) }) };
}

const NO_PLUGINS = { extensions: {}, preloaded: [] };

const kinds = (decisions: ReturnType<typeof exporter>) =>
  decisions.map((each) => (each.type === 'step' ? each.kind : each.code));

describe('what a unit offers', () => {
  test('is told once: jobs, rules and dashboards', async () => {
    const world = await watched();
    const [offer, ...rest] = observability(world);
    assert.deepEqual(rest, []);
    assert.ok(offer?.type === 'step' && offer.kind === 'relation-set');
    const { config = '' } = offer.args.data;
    for (const target of ['9187', '9188', '9854', '2381', '8008']) {
      assert.ok(config.includes(`"10.0.0.10:${target}"`), target);
    }
    assert.match(config, /"dashboards":\["board"\]/);
    const told = { ...related, localUnit: { config } };
    assert.deepEqual(observability({ ...world, relations: [told] }), []);
    const moved = { ...world.unit, address: '10.0.0.6' };
    assert.equal(observability({ ...world, relations: [told], unit: moved }).length, 1);
  });

  test('names etcd only where a voter runs', async () => {
    const world = await watched();
    const services = { ...world.services, etcd: { ...world.services['etcd'], wantedUp: false } };
    const [offer] = observability({ ...world, services } as Snapshot);
    assert.ok(offer?.type === 'step' && offer.kind === 'relation-set');
    assert.doesNotMatch(offer.args.data['config'] ?? '', /2381/);
  });

  test('is nothing without an address, or to a relation that ends or is another', async () => {
    const world = await watched();
    assert.deepEqual(observability({ ...world, unit: { ...world.unit, address: undefined } }), []);
    for (const change of [{ ending: true }, { endpoint: 'database' }]) {
      assert.deepEqual(observability({ ...world, relations: [{ ...related, ...change }] }), []);
    }
  });
});

describe('the exporter', () => {
  test('does not run while nobody asks', async () => {
    assert.deepEqual(exporter(await watched([])), []);
    const running = withService(await watched([]), { wantedUp: true });
    assert.deepEqual(kinds(exporter(running)), ['stop-service']);
  });

  test('is defined, started, and then left alone', async () => {
    const world = await watched();
    const [define] = exporter(world);
    assert.ok(define?.type === 'step' && define.kind === 'define-service');
    const { spec } = define.args;
    assert.equal(spec.user, 'postgres');
    // Otherwise whoever ends the installation would not find it.
    assert.equal(spec.directory, world.layout.run);
    const defined = withService(world, { spec, wantedUp: false });
    assert.deepEqual(kinds(exporter(defined)), ['start-service']);
    assert.deepEqual(exporter(withService(world, { spec, wantedUp: true })), []);
  });

  test('is told no password', async () => {
    const text = JSON.stringify(exporter(await watched()));
    assert.match(text, /monitoring@/);
    assert.doesNotMatch(text, /password/i);
  });

  test('waits for its program and for the supervisor', async () => {
    const world = await watched();
    const packages = { ...world.machine.packages, versions: {} };
    assert.deepEqual(exporter({ ...world, machine: { ...world.machine, packages } }), []);
    assert.deepEqual(exporter({ ...world, supervised: false }), []);
  });

  test('gets a role that reads statistics from the leader, once', async () => {
    const world = await watched();
    const [define] = exporter(world);
    assert.ok(define?.type === 'step' && define.kind === 'define-service');
    const up = withService(world, { spec: define.args.spec, wantedUp: true });
    for (const memberOf of [undefined, []]) {
      assert.deepEqual(kinds(exporter(withRoles(up, memberOf))), ['ensure-monitoring-role']);
    }
    assert.deepEqual(exporter(withRoles(up, ['pg_monitor'])), []);
    const other = { ...up, unit: { ...up.unit, isLeader: false } };
    assert.deepEqual(exporter(withRoles(other, undefined)), []);
  });
});

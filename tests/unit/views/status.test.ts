/** The status documents: derivation of an application's status, what clients rely on, filters. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ApplicationStatus } from '../../../src/controller/api/documents.ts';
import { setConfig } from '../../../src/controller/operations/config.ts';
import { integrate } from '../../../src/controller/operations/relations.ts';
import { readUnit } from '../../../src/controller/uniter/read-unit.ts';
import { statusAnswer } from '../../../src/controller/views/status.ts';
import { statusTime } from '../../../src/controller/views/times.ts';
import { OperatorModel, START } from '../../support/operator-model.ts';

describe('status', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
  });
  afterEach(() => world.end());

  const status = (...patterns: string[]) => statusAnswer(world.model, patterns, true).document;
  const app = (name = 'web'): ApplicationStatus => {
    const found = status().applications[name];
    assert.ok(found);
    return found;
  };
  const workload = (unit: string, current: string, message: string, at = START) =>
    world.store.run(
      `UPDATE unit SET workload_status = ?, workload_message = ?, workload_since = ?
       WHERE name = ?`,
      current,
      message,
      at,
      unit,
    );
  const agent = (unit: string, current: string, operation: object | null = null) =>
    world.store.run(
      `UPDATE unit SET agent_status = ?, agent_since = ?, operation = ? WHERE name = ?`,
      current,
      START + 5000,
      operation === null ? null : JSON.stringify(operation),
      unit,
    );

  describe('the document', () => {
    test('an empty model is what clients parse', () => {
      world.now = START + 60_000;
      assert.deepEqual(status(), {
        model: {
          name: 'test',
          type: 'iaas',
          controller: 'pgcharm',
          cloud: 'localhost',
          version: '4.0.15',
          'model-status': { current: 'available', since: '01 Jan 1970 00:00:00Z' },
        },
        machines: {},
        applications: {},
        storage: {},
        controller: { timestamp: '03:05:05Z' },
      });
    });

    test('a new unit waits for its machine', async () => {
      await world.deploy('web', { version: 'abc123\n' });
      const since = '02 Jan 2026 03:04:05Z';
      assert.deepEqual(app(), {
        charm: 'local:web-0',
        base: { name: 'ubuntu', channel: '24.04' },
        'charm-origin': 'local',
        'charm-name': 'web',
        'charm-rev': 0,
        'charm-version': 'abc123',
        exposed: false,
        'application-status': { current: 'waiting', message: 'waiting for machine', since },
        relations: {
          crew: [{ 'related-application': 'web', interface: 'web_crew', scope: 'global' }],
        },
        units: {
          'web/0': {
            'workload-status': { current: 'waiting', message: 'waiting for machine', since },
            'juju-status': { current: 'allocating', since, version: '4.0.15' },
            machine: '0',
            'public-address': '127.9.9.10',
          },
        },
        'endpoint-bindings': { '': 'alpha', crew: 'alpha', db: 'alpha', site: 'alpha' },
      });
    });

    test('says nothing of relations where there are none, and of life while it lasts', async () => {
      await world.deploy('web', { metadata: 'summary: s\ndescription: d', units: 0 });
      assert.equal('relations' in app(), false);
      assert.equal('units' in app(), false);
      assert.equal('life' in app(), false);
      world.store.run(`UPDATE application SET life = 'dying'`);
      assert.equal(app().life, 'dying');
    });

    test('shows both sides of a relation, and which is which in the text', async () => {
      await world.deploy('web', { units: 0 });
      await world.deploy('pg', { metadata: 'summary: s\ndescription: d\nprovides: {db: sql}' });
      integrate(world.model, 'web', 'pg');
      const related = (name: string, endpoint: string) =>
        app(name).relations?.[endpoint]?.map((entry) => entry['related-application']);
      assert.deepEqual(related('web', 'db'), ['pg']);
      assert.deepEqual(related('pg', 'db'), ['web']);
      const { relations } = statusAnswer(world.model, [], true);
      assert.deepEqual(
        relations.map(({ provider, requirer, type }) => [provider, requirer, type]),
        [
          ['web:crew', 'web:crew', 'peer'],
          ['pg:db', 'web:db', 'regular'],
        ],
      );
    });

    test('nothing but the timestamp moves while nothing happens', async () => {
      await world.deploy('web');
      const before = status();
      world.now += 3_600_000;
      const { controller: _then, ...rest } = before;
      const { controller: _now, ...later } = status();
      assert.deepEqual(later, rest);
    });

    test('ports and the charm a unit still has', async () => {
      await world.deploy('web');
      world.store.run(
        `UPDATE unit SET charm_id = 1, opened_ports = ?`,
        JSON.stringify([
          { from: 8000, to: 8010, protocol: 'udp', endpoints: [] },
          { from: 80, to: 80, protocol: 'tcp', endpoints: [] },
        ]),
      );
      const unit = app().units?.['web/0'];
      assert.deepEqual(unit?.['open-ports'], ['80/tcp', '8000-8010/udp']);
      assert.equal(unit?.['upgrading-from'], undefined);
    });
  });

  describe('an application’s status', () => {
    /** [workload of web/0, of web/1, of web/2, leader, who speaks] */
    const table = [
      ['active', 'blocked', 'waiting', 0, 'web/1'],
      ['waiting', 'active', 'maintenance', 0, 'web/2'],
      ['active', 'active', 'active', 1, 'web/1'],
      ['active', 'active', 'active', undefined, 'web/0'],
      ['unknown', 'terminated', 'unknown', 0, 'web/1'],
      ['blocked', 'blocked', 'blocked', 2, 'web/2'],
    ] as const;
    for (const [zero, one, two, leader, winner] of table) {
      test(`${zero}, ${one}, ${two}, leader ${leader ?? 'none'}: ${winner} speaks`, async () => {
        await world.deploy('web', { units: 3 });
        for (const [index, current] of [zero, one, two].entries()) {
          workload(`web/${index}`, current, `says web/${index}`, START + index * 1000);
        }
        if (leader !== undefined) {
          world.store.run(`INSERT INTO lease VALUES ('web', ?, 0)`, `web/${leader}`);
        }
        const unit = app().units?.[winner]?.['workload-status'];
        assert.deepEqual(app()['application-status'], unit);
        assert.equal(app()['application-status'].message, `says ${winner}`);
      });
    }

    test('what a leader set sticks, whatever the units say', async () => {
      await world.deploy('web');
      world.store.run(
        `UPDATE application SET status = 'active', status_message = 'fine', status_since = ?`,
        START,
      );
      workload('web/0', 'blocked', 'not fine');
      assert.partialDeepStrictEqual(app()['application-status'], {
        current: 'active',
        message: 'fine',
      });
    });

    test('without units it is unknown', async () => {
      await world.deploy('web', { units: 0 });
      assert.deepEqual(app()['application-status'], { current: 'unknown' });
    });
  });

  describe('a unit whose hook failed', () => {
    const failed = (hook: object) => ({
      hook,
      step: 'failed',
      attempts: 1,
      retryAt: 0,
      resolve: null,
    });

    test('shows the error as its workload while the agent is idle', async () => {
      await world.deploy('web');
      workload('web/0', 'active', 'fine');
      agent('web/0', 'error', failed({ kind: 'start', name: 'start' }));
      const since = '02 Jan 2026 03:04:10Z';
      const unit = app().units?.['web/0'];
      assert.deepEqual(unit?.['workload-status'], {
        current: 'error',
        message: 'hook failed: "start"',
        since,
      });
      assert.deepEqual(unit?.['juju-status'], { current: 'idle', since, version: '4.0.15' });
      assert.equal(app()['application-status'].current, 'error');
    });

    test('names the other side of a relation', async () => {
      await world.deploy('web');
      await world.deploy('pg', { metadata: 'summary: s\ndescription: d\nprovides: {db: sql}' });
      integrate(world.model, 'web', 'pg');
      const { id } = world.store.get<{ id: number }>(
        `SELECT relation_id AS id FROM relation_endpoint WHERE application = 'pg'`,
      ) ?? { id: -1 };
      agent('web/0', 'error', failed({ name: 'db-relation-changed', relationId: id }));
      const message = app().units?.['web/0']?.['workload-status'].message;
      assert.equal(message, 'hook failed: "db-relation-changed" for pg:db');
    });

    test('a unit whose machine is off says that its agent is lost', async () => {
      await world.deploy('web');
      workload('web/0', 'active', 'fine');
      agent('web/0', 'lost');
      const unit = app().units?.['web/0'];
      assert.equal(unit?.['workload-status'].current, 'unknown');
      assert.equal(unit?.['juju-status'].current, 'lost');
    });
  });

  describe('an agent', () => {
    const updating = (step: string) => ({
      hook: { kind: 'update-status', name: 'update-status' },
      ...{ step, attempts: 0, retryAt: 0, resolve: null },
    });
    const current = () => app().units?.['web/0']?.['juju-status'].current;
    beforeEach(async () => {
      await world.deploy('web', { metadata: 'summary: s\ndescription: d\n' });
      const { charm, hashes } = readUnit(world.store, 'web/0', START)?.remote ?? assert.fail();
      world.store.run(
        `UPDATE unit SET installed = 1, started = 1, seen_boot = 1, last_update_status = ?,
         charm_id = ?, charm_modified = ?, config_hash = ?, trust_hash = ?, address_hash = ?`,
        ...[START, charm.id, charm.modified, hashes.config, hashes.trust, hashes.address],
      );
      agent('web/0', 'idle');
    });

    test('with nothing to do is idle, also when an update-status is due or runs', () => {
      assert.equal(current(), 'idle');
      world.now = START + 3_600_000;
      assert.equal(current(), 'idle');
      agent('web/0', 'idle', updating('pending'));
      assert.equal(current(), 'idle');
    });

    test('is idle no more once the model has changed, whatever it runs just then', () => {
      setConfig(world.model, 'web', { set: { max: '7' } });
      assert.equal(current(), 'executing');
      agent('web/0', 'idle', updating('pending'));
      assert.equal(current(), 'executing');
    });
  });

  describe('patterns', () => {
    beforeEach(async () => {
      await world.deploy('web', { units: 2 });
      await world.deploy('pg');
    });

    for (const [pattern, applications, machines] of [
      ['web', ['web'], ['0', '1']],
      ['web/1', ['web'], ['1']],
      ['2', ['pg'], ['2']],
      ['*', ['pg', 'web'], ['0', '1', '2']],
      ['w?b', ['web'], ['0', '1']],
      ['(', [], []],
    ] as const) {
      test(`${pattern} shows ${applications.join(' ') || 'nothing'}`, () => {
        const document = status(pattern);
        assert.deepEqual(Object.keys(document.applications), applications);
        assert.deepEqual(Object.keys(document.machines), machines);
      });
    }
  });

  describe('times', () => {
    test('utc ends in Z, elsewhere in the offset', () => {
      assert.equal(statusTime(START, true), '02 Jan 2026 03:04:05Z');
      assert.match(statusTime(START, false), /^\d\d Jan 2026 \d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
    });
  });
});

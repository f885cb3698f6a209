/** show-unit, config, storage, log and task documents. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setConfig } from '../../../src/controller/operations/config.ts';
import { integrate } from '../../../src/controller/operations/relations.ts';
import { runAction } from '../../../src/controller/operations/tasks.ts';
import { appendLog, appendStatus } from '../../../src/controller/state/log-table.ts';
import { configDocument } from '../../../src/controller/views/config.ts';
import { logLines, statusLog } from '../../../src/controller/views/log.ts';
import { checkModelName, modelDocument } from '../../../src/controller/views/model.ts';
import { storageDocument } from '../../../src/controller/views/storage.ts';
import { operationList, taskView } from '../../../src/controller/views/tasks.ts';
import { applicationDetails, unitDetails } from '../../../src/controller/views/units.ts';
import { OperatorModel, START } from '../../support/operator-model.ts';

describe('documents', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
    await world.deploy('web', { units: 2 });
  });
  afterEach(() => world.end());

  describe('show-unit', () => {
    test('shows databags: its own application’s, its own, and the related units’', async () => {
      await world.deploy('pg', { metadata: 'summary: s\ndescription: d\nprovides: {db: sql}' });
      integrate(world.model, 'web', 'pg');
      const relation = 1;
      const bag = (owner: string, data: object) =>
        world.store.run(
          'INSERT INTO databag (relation_id, owner, data) VALUES (?, ?, ?)',
          relation,
          owner,
          JSON.stringify(data),
        );
      for (const unit of ['web/0', 'pg/0']) {
        world.store.run(
          'INSERT INTO relation_unit (relation_id, unit) VALUES (?, ?)',
          relation,
          unit,
        );
      }
      bag('web', { wish: 'shop' });
      bag('pg', { hidden: 'yes' });
      bag('web/0', { 'ingress-address': '127.9.9.10' });
      bag('pg/0', { 'ingress-address': '127.9.9.12' });
      const details = unitDetails(world.model, ['web/0'])['web/0'];
      assert.deepEqual(details?.['relation-info']?.[1], {
        'relation-id': 1,
        endpoint: 'db',
        'cross-model': false,
        'related-endpoint': 'db',
        'application-data': { wish: 'shop' },
        'local-unit': { 'in-scope': true, data: { 'ingress-address': '127.9.9.10' } },
        'related-units': {
          'pg/0': { 'in-scope': true, data: { 'ingress-address': '127.9.9.12' } },
        },
      });
      assert.partialDeepStrictEqual(details, { leader: false, 'opened-ports': [], life: 'alive' });
    });

    test('what is not there is not found', () => {
      assert.throws(() => unitDetails(world.model, ['web/9']), {
        message: 'unit "web/9" not found',
      });
      assert.throws(() => applicationDetails(world.model, ['nope']), { code: 'not-found' });
    });
  });

  describe('config', () => {
    test('says where each value comes from', () => {
      setConfig(world.model, 'web', { set: { max: '9' } });
      const { settings, charm } = configDocument(world.model, 'web');
      assert.equal(charm, 'web');
      assert.deepEqual(settings, {
        max: { default: 5, description: '', source: 'user', type: 'int', value: 9 },
        profile: {
          default: 'production',
          description: 'How much it takes',
          source: 'default',
          type: 'string',
          value: 'production',
        },
        ratio: { description: '', source: 'unset', type: 'float' },
        tls: { description: '', source: 'unset', type: 'boolean' },
      });
    });
  });

  describe('storage', () => {
    test('an instance is pending, attached, or detached', async () => {
      const metadata = 'summary: s\ndescription: d\nstorage: {data: {type: filesystem}}';
      await world.deploy('pg', { metadata });
      const current = () =>
        storageDocument(world.store, String).storage?.['data/0']?.status.current;
      assert.equal(current(), 'pending');
      world.store.run('UPDATE storage SET attached = 1');
      assert.equal(current(), 'attached');
      world.store.run('UPDATE storage SET unit = NULL, machine_id = NULL, attached = 0');
      assert.equal(current(), 'detached');
      assert.equal(
        storageDocument(world.store, String).storage?.['data/0']?.attachments,
        undefined,
      );
    });
  });

  describe('logs', () => {
    beforeEach(() => {
      for (const [entity, level] of [
        ['unit-web-0', 'INFO'],
        ['unit-web-1', 'WARNING'],
        ['unit-web-two-0', 'ERROR'],
        ['controller', 'DEBUG'],
      ] as const) {
        appendLog(world.store, { entity, level, module: 'm', message: `of ${entity}` }, START);
      }
    });
    const entities = (request: Parameters<typeof logLines>[1]) =>
      logLines(world.model, request).map(({ entity }) => entity);

    test('the newest lines come in order of time', () => {
      assert.deepEqual(entities({ limit: 2 }), ['unit-web-two-0', 'controller']);
      assert.deepEqual(entities({ limit: 2, replay: true }), ['unit-web-0', 'unit-web-1']);
      assert.deepEqual(entities({ after: 2 }), ['unit-web-two-0', 'controller']);
    });

    test('are chosen by level and by unit', () => {
      assert.deepEqual(entities({ level: 'warning' }), ['unit-web-1', 'unit-web-two-0']);
      assert.deepEqual(entities({ include: ['web'] }), ['unit-web-0', 'unit-web-1']);
      assert.deepEqual(entities({ include: ['web/1', 'controller'] }), [
        'unit-web-1',
        'controller',
      ]);
      assert.deepEqual(entities({ exclude: ['web', 'web-two/0'] }), ['controller']);
    });

    test('statuses of the past, oldest first', () => {
      for (const status of ['waiting', 'active']) {
        const line = { entity: 'web/0', kind: 'workload' as const, status, message: '' };
        appendStatus(world.store, line, START);
      }
      const past = statusLog(world.model, 'web/0', 10).map(({ status }) => status);
      assert.deepEqual(past, ['waiting', 'active']);
      assert.throws(() => statusLog(world.model, 'web/9', 10), { code: 'not-found' });
    });
  });

  describe('tasks', () => {
    test('an operation is as far as its slowest task, or as bad as its worst', () => {
      runAction(world.model, { units: ['web/0', 'web/1'], action: 'greet' });
      const overall = () => operationList(world.model, 5)[0]?.status;
      assert.equal(overall(), 'pending');
      world.store.run(`UPDATE task SET status = 'completed' WHERE id = 2`);
      assert.equal(overall(), 'pending');
      world.store.run(`UPDATE task SET status = 'failed' WHERE id = 3`);
      assert.equal(overall(), 'failed');
      assert.partialDeepStrictEqual(taskView(world.model, '3'), {
        unit: 'web/1',
        status: 'failed',
      });
      assert.throws(() => taskView(world.model, 'x'), { message: 'task "x" not found' });
    });
  });

  describe('the model’s name', () => {
    for (const name of ['test', 'admin/test', 'pgcharm:test', 'pgcharm:admin/test', undefined]) {
      test(`${name} is accepted`, () => {
        assert.doesNotThrow(() => checkModelName(world.model, name));
      });
    }
    for (const name of ['other', 'bob/test', 'aws:admin/test', 'test/x']) {
      test(`${name} is not`, () => {
        assert.throws(() => checkModelName(world.model, name), { code: 'model-not-found' });
      });
    }
    test('its document has what clients require', () => {
      const keys = Object.keys(modelDocument(world.model));
      for (const key of ['name', 'short-name', 'model-uuid', 'model-type', 'controller-uuid']) {
        assert.ok(keys.includes(key), key);
      }
    });
  });
});

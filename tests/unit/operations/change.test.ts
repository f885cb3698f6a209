/** config, model-config, refresh, resolved, tasks, user secrets: what changes, what is refused. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTrust } from '../../../src/controller/operations/applications.ts';
import { setConfig } from '../../../src/controller/operations/config.ts';
import { applicationNamed } from '../../../src/controller/operations/model.ts';
import { setModelConfig } from '../../../src/controller/operations/model-config.ts';
import { refresh } from '../../../src/controller/operations/refresh.ts';
import { integrate } from '../../../src/controller/operations/relations.ts';
import { markResolved } from '../../../src/controller/operations/resolved.ts';
import { execCommand, runAction } from '../../../src/controller/operations/tasks.ts';
import {
  addSecret,
  removeSecret,
  setAccess,
  updateSecret,
} from '../../../src/controller/operations/user-secrets.ts';
import { modelConfigDocument } from '../../../src/controller/views/model.ts';
import { secretDocument } from '../../../src/controller/views/secrets.ts';
import { type CharmFiles, OperatorModel } from '../../support/operator-model.ts';

describe('changing what is there', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
    await world.deploy('web', { units: 2 });
  });
  afterEach(() => world.end());

  const web = () => applicationNamed(world.store, 'web');
  const version = () =>
    world.store.get<{ v: number }>('SELECT config_version AS v FROM application')?.v;

  describe('config', () => {
    test('sets and resets, all or nothing', () => {
      setConfig(world.model, 'web', { set: { max: '9', profile: 'testing' } });
      assert.deepEqual(web().config, { max: 9, profile: 'testing' });
      assert.throws(() => setConfig(world.model, 'web', { set: { max: '3', tls: 'perhaps' } }), {
        message: 'option "tls" expected boolean, got "perhaps"',
      });
      assert.deepEqual(web().config, { max: 9, profile: 'testing' });
      setConfig(world.model, 'web', { reset: ['max'], set: { tls: 'true' } });
      assert.deepEqual(web().config, { profile: 'testing', tls: true });
    });

    test('setting what is set already changes nothing', () => {
      setConfig(world.model, 'web', { set: { max: '9' } });
      const before = version();
      setConfig(world.model, 'web', { set: { max: '9' } });
      assert.equal(version(), before);
    });

    test('trust is a setting of the application, not an option of the charm', () => {
      setConfig(world.model, 'web', { set: { trust: 'true' } });
      assert.deepEqual([web().trust, web().config], [true, {}]);
      setTrust(world.model, 'web', false);
      assert.equal(web().trust, false);
    });
  });

  describe('model-config', () => {
    test('keeps what was set, and checks what it knows', () => {
      const set = { 'update-status-hook-interval': '10s', 'automatically-retry-hooks': 'False' };
      assert.deepEqual(setModelConfig(world.model, { set }), []);
      const document = modelConfigDocument(world.model);
      assert.deepEqual(document['update-status-hook-interval'], { Value: '10s', Source: 'model' });
      assert.deepEqual(document['automatically-retry-hooks'], { Value: false, Source: 'model' });
      assert.deepEqual(document['logging-config'], { Value: '<root>=INFO', Source: 'default' });
      setModelConfig(world.model, { reset: ['automatically-retry-hooks'] });
      assert.equal(modelConfigDocument(world.model)['automatically-retry-hooks']?.Value, true);
    });

    for (const [key, value] of [
      ['update-status-hook-interval', 'soon'],
      ['update-status-hook-interval', '1ms'],
      ['automatically-retry-hooks', 'maybe'],
      ['logging-config', '<root>=LOUD'],
    ] as const) {
      test(`refuses ${key}=${value}`, () => {
        assert.throws(() => setModelConfig(world.model, { set: { [key]: value } }), {
          code: 'model-config-invalid',
        });
      });
    }

    test('takes an unknown key with a warning', () => {
      const [warning] = setModelConfig(world.model, { set: { 'my-key': '1' } });
      assert.match(warning ?? '', /"my-key" is not defined.*possible misspelling/);
    });
  });

  describe('refresh', () => {
    const again = async (files: CharmFiles, name = 'web') =>
      refresh(world.model, { application: 'web', path: await world.pack(name, files), shown: 'x' });

    test('makes a revision also of the same content; drops options that are gone', async () => {
      setConfig(world.model, 'web', { set: { max: '9', profile: 'testing' } });
      const told = await again({ config: 'options: {max: {type: int}, profile: {type: boolean}}' });
      assert.deepEqual(told, ['Added local charm "web", revision 1, to the model']);
      assert.deepEqual(web().config, { max: 9 });
      await again({});
      assert.equal(web().charm.revision, 2);
      const modified = world.store.get<{ n: number }>(
        'SELECT charm_modified AS n FROM application',
      );
      assert.equal(modified?.n, 2);
    });

    test('adds peer relations of the new revision', async () => {
      await again({
        metadata: 'summary: s\ndescription: d\npeers: {crew: web_crew, second: web_2}',
      });
      const rows = world.store.all<{ endpoint: string }>('SELECT endpoint FROM relation_endpoint');
      assert.deepEqual(rows.map(({ endpoint }) => endpoint).sort(), ['crew', 'second']);
    });

    test('refuses another charm, a lost relation, and storage that is required anew', async () => {
      await assert.rejects(again({}, 'other'), /cannot upgrade "web" to "other"/);
      await world.deploy('pg', { metadata: 'summary: s\ndescription: d\nprovides: {db: sql}' });
      integrate(world.model, 'pg', 'web');
      const bare = 'summary: s\ndescription: d\npeers: {crew: web_crew}\n';
      await assert.rejects(again({ metadata: bare }), /would break relation "web:db pg:db"/);
      const stored = `${bare}requires: {db: sql}\nstorage: {data: {type: filesystem}}`;
      await assert.rejects(again({ metadata: stored }), /required storage "data" added/);
      assert.equal(web().charm.revision, 0);
    });
  });

  test('refresh --force-units gives the new charm to units in error at once', async () => {
    const start = { kind: 'start', name: 'start' };
    world.store.run(
      `UPDATE unit SET operation = ? WHERE name = 'web/1'`,
      JSON.stringify({ hook: start, step: 'failed', attempts: 2, retryAt: 9e15, resolve: null }),
    );
    const request = { application: 'web', path: await world.pack('web'), shown: 'x' };
    const operations = () =>
      world.store
        .all<{ operation: string | null }>('SELECT operation FROM unit ORDER BY name')
        .map(({ operation }) => JSON.parse(operation ?? 'null'));
    await refresh(world.model, request);
    assert.partialDeepStrictEqual(operations(), [null, { step: 'failed' }]);
    await refresh(world.model, { ...request, force: true });
    assert.partialDeepStrictEqual(operations(), [
      null,
      { step: 'unpacking', hook: start, retryAt: 0 },
    ]);
  });

  describe('resolved', () => {
    const failed = (unit: string) =>
      world.store.run(
        `UPDATE unit SET operation = ? WHERE name = ?`,
        JSON.stringify({ hook: { kind: 'start', name: 'start' }, step: 'failed', retryAt: 9e15 }),
        unit,
      );
    const wish = (unit: string) =>
      JSON.parse(
        world.store.get<{ operation: string }>('SELECT operation FROM unit WHERE name = ?', unit)
          ?.operation ?? 'null',
      );

    test('asks the unit to retry now, or to go on without', () => {
      failed('web/0');
      failed('web/1');
      markResolved(world.model, { units: ['web/0'] });
      markResolved(world.model, { units: ['web/1'], retry: false });
      assert.partialDeepStrictEqual(wish('web/0'), { resolve: 'retry', retryAt: 0 });
      assert.partialDeepStrictEqual(wish('web/1'), { resolve: 'no-retry' });
    });

    test('--all means the units in error; naming another one is an error', () => {
      failed('web/1');
      markResolved(world.model, { units: [], all: true });
      assert.equal(wish('web/0'), null);
      assert.equal(wish('web/1').resolve, 'retry');
      assert.throws(() => markResolved(world.model, { units: ['web/0'] }), {
        message: 'unit "web/0" is not in an error state',
      });
    });
  });

  describe('tasks', () => {
    test('operations and tasks share one sequence; defaults are filled in', () => {
      const enqueued = runAction(world.model, { units: ['web/0', 'web/1'], action: 'greet' });
      assert.deepEqual(enqueued, {
        operation: '1',
        tasks: [
          { id: '2', unit: 'web/0' },
          { id: '3', unit: 'web/1' },
        ],
        failures: [],
      });
      const row = world.store.get<{ params: string }>('SELECT params FROM task WHERE id = 2');
      assert.deepEqual(JSON.parse(row?.params ?? ''), { who: 'you' });
    });

    test('a parameter of the name machine is a parameter', async () => {
      const actions = 'greet: {params: {machine: {type: string}}}';
      await world.deploy('pg', { actions });
      const request = { units: ['pg/0'], action: 'greet', params: { machine: 'x' } };
      assert.equal(runAction(world.model, request).tasks[0]?.unit, 'pg/0');
    });

    test('leader is resolved; units that are not there fail alone', () => {
      const run = (...units: string[]) => runAction(world.model, { units, action: 'greet' });
      assert.deepEqual(run('web/leader').failures, ['could not determine leader for "web"']);
      world.store.run(`INSERT INTO lease VALUES ('web', 'web/1', 0)`);
      const { tasks, failures } = run('web/leader', 'web/9', 'nope/0');
      assert.deepEqual(
        tasks.map(({ unit }) => unit),
        ['web/1'],
      );
      assert.deepEqual(failures, ['unit "web/9" not found', 'unit "nope/0" not found']);
    });

    test('unknown actions and parameters are refused before anything is enqueued', () => {
      const run =
        (action: string, params = {}) =>
        () =>
          runAction(world.model, { units: ['web/0'], action, params });
      assert.throws(run('nope'), {
        message: 'action "nope" not defined for unit "web/0". (not found)',
      });
      assert.throws(run('greet', { x: 1 }), /additional property "x" is not allowed/);
      assert.equal(world.store.get('SELECT 1 FROM operation'), undefined);
    });

    test('exec takes units, applications and machines, each unit once', () => {
      const { tasks } = execCommand(world.model, {
        units: ['web/0'],
        applications: ['web'],
        command: 'true',
      });
      assert.deepEqual(
        tasks.map(({ unit }) => unit),
        ['web/0', 'web/1'],
      );
      const onMachine = execCommand(world.model, { machines: ['1'], command: 'true' });
      assert.deepEqual(
        onMachine.tasks.map(({ unit }) => unit),
        ['1'],
      );
      assert.throws(() => execCommand(world.model, { machines: ['9'], command: 'x' }), {
        message: 'machine 9 not found',
      });
    });
  });

  describe('user secrets', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const add = (name = 'login') =>
      addSecret(world.model, { name, content: { password: base64('first') } });

    test('content is shown only when asked for', () => {
      const uri = add();
      assert.match(uri, /^secret:[0-9a-v]{20}$/);
      const id = uri.slice('secret:'.length);
      assert.equal(
        JSON.stringify(secretDocument(world.model, { secret: 'login' })).includes('first'),
        false,
      );
      const [shown] = Object.values(secretDocument(world.model, { secret: uri, reveal: true }));
      assert.deepEqual(shown?.content, { Data: { password: 'first' } });
      assert.partialDeepStrictEqual(shown, { revision: 1, owner: 'test', name: 'login' });
      assert.ok(secretDocument(world.model, { secret: id })[id]);
    });

    test('content that is no base64 is refused, and nothing of it is shown', () => {
      const content = { password: 's3cret!' };
      assert.throws(() => addSecret(world.model, { name: 'login', content }), {
        message: 'secret content for key "password" not valid base64',
      });
    });

    test('new content makes a revision, the same content none', () => {
      add();
      const latest = () =>
        Object.values(secretDocument(world.model, { secret: 'login' }))[0]?.revision;
      updateSecret(world.model, { secret: 'login', content: { password: base64('first') } });
      assert.equal(latest(), 1);
      updateSecret(world.model, { secret: 'login', content: { password: base64('second') } });
      assert.equal(latest(), 2);
      updateSecret(world.model, { secret: 'login', name: 'other' });
      assert.throws(() => removeSecret(world.model, 'login'), {
        message: 'secret "login" not found',
      });
      removeSecret(world.model, 'other', 1);
      removeSecret(world.model, 'other');
      assert.throws(() => secretDocument(world.model, { secret: 'other' }), /not found/);
    });

    test('grants name applications', () => {
      add();
      setAccess(world.model, { secret: 'login', applications: ['web'] });
      const access = () =>
        Object.values(secretDocument(world.model, { secret: 'login' }))[0]?.access;
      const scope = 'model-00000000-0000-4000-8000-000000000000';
      assert.deepEqual(access(), [{ target: 'application-web', scope, role: 'view' }]);
      setAccess(world.model, { secret: 'login', applications: ['web'], revoke: true });
      assert.equal(access(), undefined);
      assert.throws(() => setAccess(world.model, { secret: 'login', applications: ['nope'] }), {
        message: 'application "nope" not found',
      });
    });

    test('refuses what Juju refuses', () => {
      add();
      assert.throws(() => add(), { message: 'secret with name "login" already exists' });
      const content = (key: string) => ({ [key]: 'eA==' });
      assert.throws(() => addSecret(world.model, { name: 'two', content: content('Up') }), {
        message: 'key "Up" not valid',
      });
      assert.throws(() => addSecret(world.model, { name: 'two', content: {} }), {
        message: 'empty secret value not valid',
      });
    });
  });
});

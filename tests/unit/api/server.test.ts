/** The API over its real socket: errors, checks at the boundary, answers that wait for a change. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { logTo } from '../../../lib/std/log.ts';
import { type Api, connectApi } from '../../../src/cli/client.ts';
import { startApi } from '../../../src/controller/api/server.ts';
import { OperatorModel } from '../../support/operator-model.ts';

describe('the API', () => {
  let world: OperatorModel;
  let server: { close(): Promise<void> };
  let api: Api;
  let logged: string[];
  let done: string[];
  const ending = new AbortController();

  const socket = () => join(world.directory, 'controller.sock');
  const client = (model?: string) =>
    connectApi({ socket: async () => socket(), model, signal: ending.signal });

  beforeEach(async () => {
    world = await OperatorModel.make();
    logged = [];
    done = [];
    const engine = {
      powerOff: async (machine: string) => void done.push(`off ${machine}`),
      powerOn: async (machine: string) => void done.push(`on ${machine}`),
      cancelTask: (id: number) => done.push(`cancel ${id}`) > 0,
      entrance: async () => [],
      prepareNetworks: async () => {},
      refreshNetworks: async () => {},
    };
    const log = logTo((_level, line) => void logged.push(line));
    const { store, directory: root } = world;
    server = await startApi({ store, engine, root, log, version: 'v1' });
    api = client();
  });
  afterEach(async () => {
    await server.close();
    await world.end();
  });

  function post(path: string, body: string): Promise<{ status: number; body: { code: string } }> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: socket(), path, method: 'POST' }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  describe('the socket', () => {
    test('is its owner’s alone', () => {
      assert.equal(statSync(socket()).mode & 0o777, 0o600);
    });

    test('refuses what is no request, without harm', async () => {
      for (const [path, body, status, code] of [
        ['/v1/nope', '{}', 404, 'unknown-verb'],
        ['/', '{}', 404, 'unknown-verb'],
        ['/v1/constructor', '{}', 404, 'unknown-verb'],
        ['/v1/status', '{', 400, 'bad-request'],
        ['/v1/status', '[]', 400, 'bad-request'],
        ['/v1/deploy', '{"path":"relative","shown":""}', 400, 'bad-request'],
        ['/v1/add-unit', '{"application":"web","numUnits":-1}', 400, 'bad-request'],
        ['/v1/status', `"${'x'.repeat(17 * 1024 * 1024)}"`, 413, 'too-large'],
      ] as const) {
        const answer = await post(path, body);
        assert.deepEqual([answer.status, answer.body.code], [status, code], path);
      }
      assert.deepEqual(logged, []);
    });

    test('passes errors of the model on with their hints', async () => {
      const asked = api.call('show-unit', { units: ['web/0'] });
      await assert.rejects(asked, { code: 'not-found', message: 'unit "web/0" not found' });
      await assert.rejects(client('other').call('status', {}), {
        code: 'model-not-found',
        hint: /there is one model/,
      });
    });

    test('a bug is logged and told as one', async () => {
      world.store.db.exec('DROP TABLE lease');
      await assert.rejects(api.call('status', {}), { code: 'internal', message: /no such table/ });
      assert.equal(logged.length, 1);
    });
  });

  describe('waiting for a change', () => {
    test('an answer comes once it differs', async () => {
      const first = await api.watch('model-config', {}, {});
      const next = api.watch('model-config', {}, { etag: first.etag, waitMs: 20_000 });
      await api.call('set-model-config', { set: { 'juju-http-proxy': 'http://p' } });
      const { body, etag } = await next;
      assert.equal(body['juju-http-proxy']?.Value, 'http://p');
      assert.notEqual(etag, first.etag);
    });

    test('changes that do not matter to it are waited through', async () => {
      const first = await api.watch('model-config', {}, {});
      const next = api.watch('model-config', {}, { etag: first.etag, waitMs: 20_000 });
      for (const value of ['1', '2']) world.store.setMeta('other', value);
      await api.call('set-model-config', { set: { 'juju-no-proxy': 'x' } });
      assert.equal((await next).body['juju-no-proxy']?.Value, 'x');
    });

    test('without a change it answers the same when the time is over', async () => {
      const first = await api.watch('status', {}, {});
      world.now += 5000;
      const again = await api.watch('status', {}, { etag: first.etag, waitMs: 1 });
      assert.equal(again.etag, first.etag);
      assert.notEqual(again.body.document.controller, first.body.document.controller);
    });

    test('an answer that differs already comes at once', async () => {
      const answer = await api.watch('status', {}, { etag: 'old', waitMs: 20_000 });
      assert.equal(answer.body.document.model.name, 'test');
    });

    test('a client that goes away ends its wait, and closing ends all of them', async () => {
      const { etag } = await api.watch('status', {}, {});
      const leaving = new AbortController();
      const left = api.watch('status', {}, { etag, waitMs: 20_000, signal: leaving.signal });
      const stays = api.watch('status', {}, { etag, waitMs: 20_000 });
      const both = [assert.rejects(left), assert.rejects(stays, { code: 'controller-lost' })];
      await api.call('version', {});
      leaving.abort();
      await server.close();
      await Promise.all(both);
    });
  });

  describe('verbs that ask the engine', () => {
    test('power takes a machine or a unit', async () => {
      await world.deploy('web', { units: 2 });
      await api.call('power', { target: 'web/1', on: false });
      await api.call('power', { target: '1', on: true });
      assert.deepEqual(done, ['off 1', 'on 1']);
    });

    test('cancel-task asks for tasks that exist', async () => {
      await world.deploy('web');
      await api.call('run', { units: ['web/0'], action: 'greet' });
      const [task] = await api.call('cancel-task', { ids: ['2'] });
      assert.equal(task?.id, '2');
      assert.deepEqual(done, ['cancel 2']);
      await assert.rejects(api.call('cancel-task', { ids: ['2', '9'] }), {
        message: 'task "9" not found',
      });
      assert.deepEqual(done, ['cancel 2'], 'none of them is cancelled then');
    });

    test('processes are those of a machine, whichever of its names is given', async () => {
      await world.deploy('web', { units: 2 });
      const cwd = world.model.layout.agentDir('web/1');
      await mkdir(cwd, { recursive: true });
      const child = spawn('sleep', ['60'], { cwd, stdio: 'ignore' });
      try {
        await once(child, 'spawn');
        const found = await api.call('processes', { target: 'web/1' });
        assert.partialDeepStrictEqual(found, [
          { pid: child.pid, parent: process.pid, command: 'sleep 60', cwd },
        ]);
        assert.deepEqual(await api.call('processes', { target: '1' }), found);
        assert.deepEqual(await api.call('processes', { target: 'web/0' }), []);
      } finally {
        child.kill();
      }
    });

    test('the controller is a process too, and a machine that is not there has none', async () => {
      const [own] = await api.call('processes', { target: 'controller' });
      assert.equal(own?.pid, process.pid);
      await assert.rejects(api.call('processes', { target: '7' }), /machine 7 not found/);
    });

    test('a unit’s place is known once it is there', async () => {
      await world.deploy('web');
      await assert.rejects(api.call('place', { target: 'web/0' }), /it is not installed yet/);
      await assert.rejects(api.call('place', { target: '7' }), /machine 7 not found/);
    });
  });
});

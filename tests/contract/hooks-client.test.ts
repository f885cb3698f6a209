/** The Hooks port over both transports against the real server: the same values either way. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { hooksOver } from '../../lib/hooks/client.ts';
import { connectHooks } from '../../lib/hooks/connect.ts';
import { execTransport } from '../../lib/hooks/exec.ts';
import type { Hooks } from '../../lib/hooks/hooks.ts';
import type { Transport } from '../../lib/hooks/transport.ts';
import { commit, servedPerTest } from '../support/contract-model.ts';

const our = servedPerTest((model) => {
  model.store.run(`INSERT INTO operation VALUES (6, 'x', 0)`);
  model.store.run(
    `INSERT INTO task (id, operation_id, unit, action, params, enqueued)
     VALUES (7, 6, 'web/0', 'backup', '{"type":"full"}', 0)`,
  );
  return model.session({ action: { taskId: 7 } });
});

function next(unit = 'web/0'): void {
  if (our.current !== undefined) commit(our.model, our.current);
  our.current = our.model.session({ unit });
}

const environments: Record<string, () => Record<string, string | undefined>> = {
  'hook tools': () => ({ ...process.env, ...our.served.env }),
  'the socket': () => ({ ...our.served.env, PGCHARM_HOOK_SOCKET: our.served.socket }),
};

for (const [name, environment] of Object.entries(environments)) {
  describe(`hooks over ${name}`, () => {
    let hooks: Hooks;
    beforeEach(async () => {
      hooks = await connectHooks(environment());
    });
    afterEach(() => hooks.close());

    test('read the unit and its model', async () => {
      assert.equal(await hooks.isLeader(), true);
      assert.deepEqual(await hooks.configGet(), { max: 5, name: 'x', tls: true });
      assert.deepEqual(await hooks.statusGet(), { status: 'active', message: 'all well' });
      assert.deepEqual(await hooks.goalUnits(), { 'web/0': 'active', 'web/1': 'active' });
      assert.deepEqual(await hooks.storageList(), []);
      assert.deepEqual(await hooks.openedPorts(), []);
      assert.deepEqual(await hooks.networkGet('db', { endpoint: 'db', id: 3 }), {
        bindAddresses: [
          { interfaceName: 'lo', addresses: [{ value: '127.9.8.10', cidr: '127.9.8.0/24' }] },
        ],
        ingressAddresses: ['127.9.8.10'],
        egressSubnets: ['127.0.0.1/32', '127.9.8.10/32'],
      });
    });

    test('read and write relations', async () => {
      assert.deepEqual(await hooks.relationIds('db'), [3]);
      assert.deepEqual(await hooks.relationList('db', 3), ['pg/0']);
      assert.equal(await hooks.relationApp('db', 3), 'pg');
      assert.deepEqual(await hooks.relationGet('db', 3, 'pg', 'app'), { endpoints: '<1>' });
      await hooks.relationSet('db', 3, { a: 'x=y\n', 'ingress-address': undefined });
      await hooks.relationSet('db', 3, { shared: '1' }, 'app');
      assert.deepEqual(await hooks.relationGet('db', 3, 'web/0'), { a: 'x=y\n' });
      assert.deepEqual(await hooks.relationGet('db', 3, 'web', 'app'), { shared: '1' });
    });

    test('take a relation that is gone, or a databag one may not read, for empty', async () => {
      assert.deepEqual(await hooks.relationList('db', 9), []);
      assert.equal(await hooks.relationApp('db', 9), undefined);
      assert.deepEqual(await hooks.relationGet('db', 9, 'pg/0'), {});
      assert.deepEqual(await hooks.relationGet('db', 3, 'pg/7'), {});
      next('web/1');
      assert.deepEqual(await hooks.relationGet('db', 3, 'web', 'app'), {});
    });

    test('tell the words of a tool that fails', async () => {
      next('web/1');
      await assert.rejects(hooks.relationSet('db', 3, { a: '1' }, 'app'), {
        code: 'hook-tool-failed',
        message: 'cannot carry out relation-set: cannot write relation settings',
      });
    });

    test('make, read, change, grant and remove secrets', async () => {
      const content = { password: 'p=\n', 'user-name': 'ü', nothing: '' };
      const id = await hooks.secretAdd(content, { label: 'l', description: 'd' });
      next();
      assert.deepEqual(await hooks.secretGet({ label: 'l' }), content);
      assert.deepEqual(await hooks.secretInfo({ id }), {
        id,
        revision: 1,
        label: 'l',
        owner: 'application',
        rotation: 'never',
      });
      await hooks.secretSet(id, { password: 'new' }, { label: 'm' });
      await hooks.secretGrant(id, { endpoint: 'db', id: 3 });
      assert.deepEqual(await hooks.secretIds(), [id.replace('secret:', '')]);
      next('pg/0');
      assert.deepEqual(await hooks.secretGet({ id }, 'refresh'), { password: 'new' });
      next();
      await hooks.secretRevoke(id, { endpoint: 'db', id: 3 });
      next('pg/0');
      assert.equal(await hooks.secretGet({ id }), undefined);
      assert.equal(await hooks.secretInfo({ id }), undefined);
      next();
      await hooks.secretRemove(id);
      next();
      assert.equal(await hooks.secretGet({ label: 'm' }), undefined);
      assert.deepEqual(await hooks.secretIds(), []);
    });

    test('keep state, ports, status and version', async () => {
      await hooks.stateSet({ a: '1', b: '', gone: 'x' });
      await hooks.stateSet({ gone: undefined });
      assert.deepEqual(await hooks.stateGet(), { a: '1', b: '' });
      await hooks.openPort(5432);
      await hooks.statusSet('blocked', '--no "db"');
      await hooks.applicationVersionSet('16.2');
      assert.deepEqual(await hooks.statusGet(), { status: 'blocked', message: '--no "db"' });
      next();
      assert.deepEqual(await hooks.openedPorts(), ['5432/tcp']);
      await hooks.closePort(5432);
      next();
      assert.deepEqual(await hooks.openedPorts(), []);
    });

    test('serve actions', async () => {
      assert.deepEqual(await hooks.actionGet(), { type: 'full' });
      await hooks.actionSet({ 'a.b': '-1', c: '' });
      await hooks.actionLog('--half way');
      await hooks.actionFail('no room');
      assert.deepEqual(our.current?.actionOutcome(), {
        results: { a: { b: '-1' }, c: '' },
        failed: 'no room',
      });
    });

    test('write long lines in pieces', async () => {
      await hooks.log('INFO', 'é'.repeat(70_000));
      await hooks.log('DEBUG', '');
      assert.equal(our.model.logged.length, 4);
      const text = our.model.logged.slice(0, 3).map((line) => line.replace(/^.*juju-log: /s, ''));
      assert.equal(text.join(''), 'é'.repeat(70_000));
    });

    test('may be called together', async () => {
      const writes = Array.from({ length: 8 }, (_, i) => hooks.stateSet({ [`k${i}`]: `${i}` }));
      await Promise.all(writes);
      assert.equal(Object.keys(await hooks.stateGet()).length, 8);
    });
  });
}

describe('secret content over hook tools', () => {
  test('is in private files while the tool runs, never among its words', async () => {
    const real = execTransport({ ...process.env, ...our.served.env });
    const paths: string[] = [];
    const watched: Transport = {
      ...real,
      call: (tool, words, stdin) => {
        assert.doesNotMatch(words.join(' '), /hunter2/);
        for (const word of words) {
          const [, path] = /#file=(.*)$/.exec(word) ?? [];
          if (path === undefined) continue;
          paths.push(path);
          assert.equal(statSync(path).mode & 0o777, 0o600);
          assert.equal(readFileSync(path, 'utf8'), 'hunter2');
        }
        return real.call(tool, words, stdin);
      },
    };
    await hooksOver(watched).secretAdd({ password: 'hunter2' });
    const [path = ''] = paths;
    assert.throws(() => statSync(path), /ENOENT/);
  });
});

describe('without a controller', () => {
  test('a missing tool and a dead socket are told apart', async () => {
    const tools = await connectHooks({ PATH: '/nowhere' });
    await assert.rejects(tools.isLeader(), { code: 'hook-tool-missing' });
    const env = { PGCHARM_HOOK_SOCKET: '/no/such/socket', JUJU_CONTEXT_ID: 'c' };
    await assert.rejects(connectHooks(env), { code: 'controller-gone' });
  });
});

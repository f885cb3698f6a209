/** The socket of a unit: who may connect, what it refuses, in which order it answers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { answerReader, socketTransport } from '../../lib/hooks/socket.ts';
import type { ToolAnswer } from '../../lib/hooks/transport.ts';
import { OperatorError } from '../../lib/std/errors.ts';
import { ToolServer } from '../../src/controller/tools/server.ts';
import { servedPerTest } from '../support/contract-model.ts';

const our = servedPerTest((model) => model.session());

/** Sends bytes as they are and collects answers until there are `count`, or the server hangs up. */
function exchange(bytes: string | Buffer, count: number): Promise<ToolAnswer[]> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(our.served.socket);
    const answers: ToolAnswer[] = [];
    const read = answerReader((answer) => {
      answers.push(answer);
      if (answers.length === count) socket.destroy();
    });
    socket.on('data', read);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => resolve(answers));
    socket.write(bytes);
  });
}

const line = (request: object) => `${JSON.stringify(request)}\n`;
const ask = (request: object) => ({ context: 'c-1', dir: '/', args: [], ...request });
const refused = (why: string) => ({ code: 1, stdout: '', stderr: `ERROR bad request: ${why}\n` });

describe('the socket', () => {
  test('is for its owner only', () => {
    assert.equal(statSync(our.served.socket).mode & 0o777, 0o600);
  });

  test('with too long a path is refused with a hint', async () => {
    const path = `/tmp/${'x'.repeat(103)}`;
    const server = new ToolServer(path, our.served.server.handlers);
    await assert.rejects(server.listen(), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.equal(error.code, 'socket-path-too-long');
      assert.match(error.hint ?? '', /PGCHARM_DIR/);
      return true;
    });
  });

  test('replaces what a killed controller left behind, and goes when closed', async () => {
    const path = join(our.model.dir, 'left.socket');
    writeFileSync(path, '');
    const server = new ToolServer(path, our.served.server.handlers);
    await server.listen();
    assert.ok(statSync(path).isSocket());
    await server.close();
    assert.throws(() => statSync(path), /ENOENT/);
  });
});

describe('requests', () => {
  const table: [string, object, string][] = [
    ['without a command', ask({ tool: '' }), 'command not specified'],
    ['from a relative directory', ask({ tool: 'is-leader', dir: 'x' }), 'Dir is not absolute'],
    [
      'for another hook',
      ask({ tool: 'is-leader', context: 'b' }),
      'expected context id "c-1", got "b"',
    ],
    ['for an unknown tool', ask({ tool: 'rm' }), 'unknown command: rm'],
    ['for a property of objects', ask({ tool: 'constructor' }), 'unknown command: constructor'],
    ['with words that are none', ask({ tool: 'is-leader', args: [1] }), 'not a request'],
  ];
  for (const [what, request, why] of table) {
    test(`${what} are refused`, async () => {
      assert.deepEqual(await exchange(line(request), 1), [refused(why)]);
    });
  }

  for (const text of ['', '{', '[]', 'null', '"x"', '{"tool":5}', '\u0000', '{"args":{}}']) {
    test(`that are ${JSON.stringify(text)} are refused, and the next one is served`, async () => {
      const bytes = `${text}\n${line(ask({ tool: 'is-leader' }))}`;
      const [first, second] = await exchange(bytes, 2);
      assert.equal(first?.code, 1);
      assert.deepEqual(second, { code: 0, stdout: 'True\n', stderr: '' });
    });
  }

  test('that never end are cut off', async () => {
    assert.deepEqual(await exchange(Buffer.alloc(33 * 1024 * 1024, 'x'), 1), []);
  });

  test('while nothing runs are refused', async () => {
    our.current = undefined;
    const answers = await exchange(line(ask({ tool: 'is-leader' })), 1);
    assert.deepEqual(answers, [refused('expected context id "", got "c-1"')]);
  });

  test('in pieces of one byte are understood', async () => {
    const bytes = Buffer.from(line(ask({ tool: 'state-set', args: ['k=ü'] })));
    const transport = await new Promise<ToolAnswer>((resolve) => {
      const socket = createConnection(our.served.socket);
      socket.setNoDelay(true);
      socket.on(
        'data',
        answerReader((answer) => {
          socket.destroy();
          resolve(answer);
        }),
      );
      void (async () => {
        for (const byte of bytes) {
          await new Promise((sent) => socket.write(Buffer.from([byte]), sent));
        }
      })();
    });
    assert.equal(transport.code, 0);
  });

  test('of one connection are answered in order, each seeing the ones before', async () => {
    const transport = await socketTransport(our.served.socket, 'c-1', '/');
    const calls = Array.from({ length: 50 }, (_, index) => [
      transport.call('state-set', [`k=${index}`]),
      transport.call('state-get', ['k']),
    ]).flat();
    const answers = await Promise.all(calls);
    const read = answers.filter((_, index) => index % 2 === 1).map(({ stdout }) => stdout);
    assert.deepEqual(
      read,
      Array.from({ length: 50 }, (_, index) => `${index}\n`),
    );
    await transport.close();
  });

  test('that want stdin are answered with the code that asks for it', async () => {
    const request = ask({ tool: 'relation-set', args: ['-r', '3', '--file', '-'] });
    const stderr = 'hook tool requires stdin, none supplied';
    const [first, second] = await exchange(line(request) + line({ ...request, stdin: 'a: b' }), 2);
    assert.deepEqual(first, { code: 254, stdout: '', stderr });
    assert.equal(second?.code, 0);
  });

  test('outstanding when the controller goes are told so', async () => {
    const path = join(our.model.dir, 's');
    const server = new ToolServer(path, {
      session: () => our.current,
      exec: () => new Promise(() => {}),
      isPoweredOff: () => assert.fail('nobody asks'),
    });
    await server.listen();
    const transport = await socketTransport(path, '', '/');
    const outstanding = transport.call('juju-exec', ['web/0', 'sleep']);
    await server.close();
    await assert.rejects(outstanding, { code: 'controller-gone' });
    await assert.rejects(transport.call('is-leader', []), { code: 'controller-gone' });
  });
});

type Call = (words: string[], env?: Record<string, string>) => Promise<ToolAnswer>;

/** As installed: D/bin/<name>, the unit's socket at D/agents/unit-web-0/agent.socket. */
function installed(name: string): Call {
  const execute = promisify(execFile);
  let program: string;
  before(() => {
    program = join(our.served.bin, name);
    copyFileSync(join(our.served.bin, 'is-leader'), program);
  });
  return async (words, env = {}) => {
    try {
      const options = { env: { PATH: '/usr/bin:/bin', ...env } };
      const { stdout, stderr } = await execute(program, words, options);
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as ToolAnswer;
      return { code, stdout, stderr };
    }
  };
}

describe('is-powered-off', () => {
  const call = installed('is-powered-off');
  const own = { JUJU_UNIT_NAME: 'web/0' };

  test('ends with 0 only for a machine without power', async () => {
    assert.deepEqual(await call(['web/1'], own), { code: 0, stdout: 'off\n', stderr: '' });
    const on = { code: 1, stdout: '', stderr: 'ERROR web/2 is on\n' };
    assert.deepEqual(await call(['web/2'], own), on);
  });

  test('never takes a failure to ask for an answer', async () => {
    const table: [string[], Record<string, string>, RegExp][] = [
      [[], own, /^ERROR usage: is-powered-off <unit>$/m],
      [['web/1', 'web/2'], own, /^ERROR usage/m],
      [['web/1'], {}, /^ERROR JUJU_UNIT_NAME not set$/m],
      [['web/1'], { JUJU_UNIT_NAME: 'web/7' }, /not found on this machine/],
    ];
    for (const [words, env, expected] of table) {
      const { code, stderr } = await call(words, env);
      assert.equal(code, 1);
      assert.match(stderr, expected);
    }
  });
});

describe('juju-exec', () => {
  const juju = installed('juju-exec');

  test('runs a command through the unit and answers with its outcome', async () => {
    const command = 'JUJU_DISPATCH_PATH=hooks/agent_notified ./dispatch';
    const answer = { code: 3, stdout: 'web/0\n', stderr: `${command}\n` };
    assert.deepEqual(await juju(['web/0', command]), answer);
    assert.equal(our.executed.at(-1), command);
  });

  test('with -u takes the words of the command one by one', async () => {
    assert.equal((await juju(['-u', 'web/0', 'echo', 'a'])).stderr, 'echo a\n');
  });

  test('refuses in words', async () => {
    const table: [string[], RegExp][] = [
      [[], /^ERROR missing unit-name$/m],
      [['web/0'], /^ERROR missing commands$/m],
      [['web/0', 'a', 'b'], /^ERROR unrecognized args: /m],
      [['../x/0', 'a'], /is not a valid unit name/],
      [['web/7', 'a'], /^ERROR unit "web\/7" not found on this machine$/m],
    ];
    for (const [words, expected] of table) {
      const { code, stderr } = await juju(words);
      assert.equal(code, 1);
      assert.match(stderr, expected);
    }
  });

  test('refuses to run within a hook, which would wait for itself', async () => {
    const { code, stderr } = await juju(['web/0', 'a'], { JUJU_CONTEXT_ID: 'c-1' });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^ERROR juju-exec cannot be called from within a hook, have context "c-1"$/m,
    );
  });
});

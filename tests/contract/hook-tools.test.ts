/** The table of hook tools, through each way that leads to the controller. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { execTransport } from '../../lib/hooks/exec.ts';
import { socketTransport } from '../../lib/hooks/socket.ts';
import type { ToolAnswer, Transport } from '../../lib/hooks/transport.ts';
import { type Model, servedPerTest } from '../support/contract-model.ts';
import { type Row, rows } from './hook-tool-table.ts';
import { secretRows } from './secret-tool-table.ts';

const our = servedPerTest((model) => {
  addTask(model);
  return model.session();
});

type Way = () => Promise<Pick<Transport, 'call' | 'close'>>;
const ways: Record<string, Way> = {
  'the tools on PATH': async () => ({ call: callTool, close: async () => {} }),
  'the exec transport': async () => execTransport({ ...process.env, ...our.served.env }),
  'the socket transport': () => socketTransport(our.served.socket, 'c-1', '/'),
};

for (const [way, open] of Object.entries(ways)) {
  for (const [family, cases] of Object.entries({ ...rows, ...secretRows })) {
    describe(`${family}, by ${way}`, () => {
      for (const row of cases) test(title(row), () => check(row, open));
    });
  }
}

async function check(row: Row, open: Way): Promise<void> {
  const transport = await open();
  try {
    our.current = our.model.session(row.in);
    const commands = row.run.every((word) => typeof word === 'string') ? [row.run] : row.run;
    let answer: ToolAnswer = { code: -1, stdout: '', stderr: '' };
    for (const command of commands) {
      const [tool = '', ...words] = command as string[];
      answer = await transport.call(tool, words, row.stdin);
    }
    const { err = '', out = '' } = row;
    if (row.code === undefined && out.startsWith('^')) assert.match(answer.stdout, new RegExp(out));
    else assert.equal(answer.stdout, out);
    if (typeof err === 'string') assert.equal(answer.stderr, err);
    else assert.match(answer.stderr, err);
    assert.equal(answer.code, row.code ?? 0);
  } finally {
    await transport.close();
  }
}

function title(row: Row): string {
  return row.run.map((word) => (typeof word === 'string' ? word : word.join(' '))).join(' ');
}

function addTask({ store }: Model): void {
  store.run(`INSERT INTO operation VALUES (6, 'x', 0)`);
  store.run(
    `INSERT INTO task (id, operation_id, unit, action, params, enqueued)
     VALUES (7, 6, 'web/0', 'backup', '{"type":"full","deep":{"er":1}}', 0)`,
  );
}

/** As a shell script in a charm starts a tool; it reads stdin only when it has to. */
function callTool(
  tool: string,
  words: readonly string[],
  stdin = '',
  env: Record<string, string> = our.served.env,
): Promise<ToolAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(`${our.served.bin}/${tool}`, words, { env, cwd: '/' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

describe('the client program', () => {
  test('says which variable is missing outside a hook', async () => {
    const { PATH = '' } = our.served.env;
    const answer = await callTool('is-leader', [], '', { PATH });
    assert.deepEqual(answer, { code: 1, stdout: '', stderr: 'ERROR JUJU_CONTEXT_ID not set\n' });
  });

  test('is refused with the id of another execution', async () => {
    const answer = await callTool('is-leader', [], '', {
      ...our.served.env,
      JUJU_CONTEXT_ID: 'old',
    });
    const stderr = 'ERROR bad request: expected context id "c-1", got "old"\n';
    assert.deepEqual(answer, { code: 1, stdout: '', stderr });
  });

  test('says so when no controller listens', async () => {
    const env = { ...our.served.env, JUJU_AGENT_SOCKET_ADDRESS: '/no/such/socket' };
    const { code, stderr } = await callTool('is-leader', [], '', env);
    assert.equal(code, 1);
    assert.match(stderr, /^ERROR cannot reach the controller at \/no\/such\/socket: /);
  });

  test('carries any text there and back', async () => {
    const value = 'a "quoted"\\ line\nand\ttab, ünïcode 🐘, \u0001 =end=';
    await callTool('relation-set', ['-r', '3', `k=${value}`]);
    const { stdout } = await callTool('relation-get', ['-r', '3', '--format=json', 'k', 'web/0']);
    assert.equal(JSON.parse(stdout), value);
  });
});

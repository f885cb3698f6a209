/** Every command: its help, what it asks the controller, what it prints, how it fails. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { catalogue, findCommand } from '../../../src/cli/catalogue.ts';
import { commandHelp, overview } from '../../../src/cli/help.ts';
import { resolveRoot } from '../../../src/cli/root.ts';
import type { TaskView } from '../../../src/controller/api.ts';
import { type Ran, runCommand } from './surface.ts';

const directory = mkdtempSync(join(tmpdir(), 'pgc-'));
after(() => rmSync(directory, { recursive: true }));

async function run(line: string | readonly string[], answers = {}): Promise<Ran> {
  const [name = '', ...words] = typeof line === 'string' ? line.split(' ') : line;
  return runCommand(await findCommand(name), words, answers);
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe('help', () => {
  for (const entry of catalogue) {
    test(`of ${entry.names[0]}`, async () => {
      const command = await entry.load();
      assert.equal(command.name, entry.names[0]);
      const help = commandHelp(command);
      assert.ok(help.startsWith(`Usage: pgcharm ${command.name} [options]`));
      assert.ok(help.includes(`Summary:\n${command.summary}\n`));
      // The list shows the same sentence, without loading the command for it.
      assert.equal(command.summary.replace(/\.$/, ''), entry.summary);
      for (const flag of command.flags ?? []) assert.ok(help.includes(flag.doc), flag.names[0]);
    });
  }

  test('the list names every command', () => {
    const text = overview(catalogue);
    for (const { names } of catalogue) assert.match(text, new RegExp(`^ {4}${names[0]} +\\w`, 'm'));
  });

  test('a mistyped word is met with those that look like it', async () => {
    await assert.rejects(findCommand('stauts'), UsageError);
    await assert.rejects(findCommand('statu'), /Did you mean:\n\tstatus/);
    await assert.rejects(findCommand('integrat'), /\tintegrate/);
    await assert.rejects(findCommand('zzz'), /See "pgcharm help"/);
    assert.equal((await findCommand('relate')).name, 'integrate');
  });
});

describe('words become requests', () => {
  const pg = file('pg.charm', '');
  const yaml = file('options.yaml', 'pg: {max: 3}');
  const long = file('long.txt', 'from a file');
  for (const [line, verb, request] of [
    [
      `deploy ${pg} db -n 3 --config a=1 --config trust=true --config b=@${long} --config ${yaml}`,
      'deploy',
      {
        path: pg,
        shown: pg,
        application: 'db',
        numUnits: 3,
        config: { a: '1', b: 'from a file' },
        configYaml: 'pg: {max: 3}',
        trust: true,
        storage: {},
        attachStorage: [],
        constraints: {},
        to: [],
      },
    ],
    ['add-unit pg -n 2', 'add-unit', { application: 'pg', numUnits: 2, attachStorage: [], to: [] }],
    [
      'remove-unit --no-prompt pg/0 pg/1 --destroy-storage --force',
      'remove-unit',
      { units: ['pg/0', 'pg/1'], destroyStorage: true, force: true, dryRun: false },
    ],
    [
      'remove-application --no-prompt pg',
      'remove-application',
      { applications: ['pg'], destroyStorage: false, force: false, dryRun: false },
    ],
    ['integrate a:x b', 'integrate', { first: 'a:x', second: 'b' }],
    ['remove-relation a b --force', 'remove-relation', { endpoints: ['a', 'b'], force: true }],
    [
      'config pg a=1 --reset b,c',
      'set-config',
      { application: 'pg', set: { a: '1' }, reset: ['b', 'c'] },
    ],
    ['model-config a=1 --reset b', 'set-model-config', { set: { a: '1' }, reset: ['b'] }],
    ['resolved --no-retry pg/0', 'resolved', { units: ['pg/0'], all: false, retry: false }],
    ['trust pg --remove', 'trust', { application: 'pg', remove: true }],
    ['unexpose pg', 'expose', { application: 'pg', remove: true }],
    ['power-off pg/0', 'power', { target: 'pg/0', on: false }],
    ['power-on 1', 'power', { target: '1', on: true }],
    [
      'grant-secret login a,b',
      'grant-secret',
      { secret: 'login', applications: ['a', 'b'], revoke: false },
    ],
    ['attach-storage pg/0 data/1', 'attach-storage', { unit: 'pg/0', storages: ['data/1'] }],
    [
      `refresh pg --path ${pg} --config a=1`,
      'refresh',
      { application: 'pg', path: pg, shown: pg, config: { a: '1' }, storage: {}, force: false },
    ],
  ] as const) {
    test(line.replaceAll(directory, '…'), async () => {
      const { code, asked, error } = await run(line);
      assert.equal(code, 0, String(error));
      assert.deepEqual(asked, [{ verb, request }]);
    });
  }

  test('values of a secret travel as base64, from words and from a file', async () => {
    const secrets = file('secret.yaml', 'password: s3cret\nport: 5432\n');
    const { asked, out } = await run(`add-secret login user=bob --file ${secrets}`, {
      'add-secret': { uri: 'secret:1' },
    });
    const content = { password: 'czNjcmV0', port: 'NTQzMg==', user: 'Ym9i' };
    assert.deepEqual(asked[0]?.request, { name: 'login', content });
    assert.equal(out.stdout(), 'secret:1\n');
  });

  test('values of a secret in a file are text, whatever they look like', async () => {
    const texts = { pin: '0123', big: '12345678901234567890', yes: 'on', hex: '0x1F', none: '' };
    const lines = Object.entries(texts).map(([key, value]) => `${key}: ${value}`);
    const line = `add-secret login --file ${file('pins.yaml', lines.join('\n'))}`;
    const { asked } = await run(line, { 'add-secret': { uri: 'secret:1' } });
    const { content } = (asked[0]?.request ?? {}) as { content?: Record<string, string> };
    const read = Object.entries(content ?? {}).map(([key, value]) => [key, atob(value)]);
    assert.deepEqual(Object.fromEntries(read), texts);
    const { error } = await run(`add-secret login --file ${file('map.yaml', 'a: {b: c}')}`);
    assert.match(String(error), /cannot read a secret from .*map\.yaml:.*cannot unmarshal/s);
  });

  test('exec quotes words into one command and leaves one word alone', async () => {
    const answers = { exec: { operation: '1', tasks: [], failures: [] } };
    const command = async (line: readonly string[]) => {
      const { asked } = await run(line, answers);
      return (asked[0]?.request as { command?: string } | undefined)?.command;
    };
    assert.equal(await command(['exec', '--unit', 'a/0', '--', 'echo', 'b  c']), "echo 'b  c'");
    assert.equal(await command(['exec', '--unit', 'a/0', 'echo $HOME']), 'echo $HOME');
    // What follows the first word is the command's, also when it looks like a flag.
    assert.equal(await command(['exec', '--unit', 'a/0', 'ls', '--all']), 'ls --all');
  });

  test('parameters of an action come from a file and from words, nested by dots', async () => {
    const params = file('params.yaml', 'a: {b: 1}\nname: file\n');
    const answers = { run: { operation: '1', tasks: [], failures: [] } };
    const words = ['run', 'pg/0', 'pg/leader', 'go', '--params', params, 'a.c=true', 'name=007x'];
    const { asked } = await run(words, answers);
    assert.deepEqual(asked[0]?.request, {
      units: ['pg/0', 'pg/leader'],
      action: 'go',
      params: { a: { b: 1, c: true }, name: '007x' },
    });
    const { asked: texts } = await run('run pg/0 go n=5 --string-args', answers);
    assert.partialDeepStrictEqual(texts[0]?.request, { params: { n: '5' } });
  });
});

describe('wrong words', () => {
  for (const [line, message] of [
    ['deploy ./x --num-units two', /invalid value "two" for option --num-units/],
    ['deploy ./x --num-units -1', /invalid value "-1" for option --num-units/],
    ['deploy ./x --bogus', /option provided but not defined: --bogus/],
    ['config pg a b', /can only retrieve a single option/],
    ['config pg a b=1', /cannot set and retrieve options simultaneously/],
    ['run pg/0', /no action specified/],
    ['run go', /invalid unit or action name "go"/],
    ['run pg/0 go x', /must be of the form key\.key\.key\.\.\.=value/],
    ['run pg/0 go X=1', /must start and end with lowercase alphanumeric/],
    ['exec ls', /You must specify a target/],
    ['status --format xml', /unknown format "xml"/],
    ['wait --for happy', /invalid value "happy" for option --for/],
    ['wait --timeout soon', /invalid value "soon" for option --timeout/],
    ['resolved', /no unit specified/],
    ['debug-log --tail --no-tail', /setting --tail and --no-tail not valid/],
    ['refresh pg', /--path is needed/],
  ] as const) {
    test(line, async () => {
      const { error, asked } = await run(line);
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      assert.deepEqual(asked, []);
    });
  }

  for (const [line, message] of [
    ['deploy postgresql', /no access to a charm store/],
    ['deploy ./x --overlay y', /cannot deploy with --overlay/],
    ['remove-unit pg --num-units 1', /--num-units for non k8s models not valid/],
    ['add-model x', /there is one controller with one model/],
    ['config pg a=@/nonexistent', /cannot read option file "\/nonexistent"/],
  ] as const) {
    test(`${line}, which cannot be done`, async () => {
      const { error } = await run(line);
      assert.ok(error instanceof OperatorError, String(error));
      assert.match(error.message, message);
    });
  }
});

describe('run', () => {
  const task: TaskView = {
    id: '2',
    operation: '1',
    unit: 'pg/0',
    action: 'go',
    status: 'running',
    message: '',
    results: {},
    log: [{ at: 0, message: 'half way' }],
    enqueued: 0,
    started: 0,
    completed: null,
  };
  const enqueued = { operation: '1', tasks: [{ id: '2', unit: 'pg/0' }], failures: [] };
  const ended = (change: Partial<TaskView>) => ({
    run: enqueued,
    'show-task': [task, { ...task, completed: 1, status: 'completed', ...change }],
  });

  test('shows progress on stderr and the result on stdout', async () => {
    const results = { 'return-code': 0, made: { backup: 'x' }, stdout: '' };
    const { code, out } = await run('run pg/0 go --format json', ended({ results }));
    assert.equal(code, 0);
    const shown = JSON.parse(out.stdout())['pg/0'];
    assert.deepEqual(shown.results, { made: { backup: 'x' }, 'return-code': 0 });
    assert.deepEqual(Object.keys(shown), ['id', 'log', 'results', 'status', 'timing', 'unit']);
    const start =
      'Running operation 1 with 1 task\n  - task 2 on unit-pg-0\n\nWaiting for task 2...\n';
    assert.ok(out.stderr().startsWith(start));
    assert.match(out.stderr(), /\d\d:\d\d:\d\d half way\n/);
  });

  test('action-fail is a result, not a failure of the command', async () => {
    const outcome = { status: 'failed', message: 'no space', results: { 'return-code': 0 } };
    const { code, out } = await run('run pg/0 go --format json', ended(outcome));
    assert.equal(code, 0);
    assert.partialDeepStrictEqual(JSON.parse(out.stdout())['pg/0'], {
      status: 'failed',
      message: 'no space',
    });
    const plain = await run('run pg/0 go', ended(outcome));
    assert.equal(plain.out.stdout(), 'Action id 2 failed: no space\n');
  });

  test('a return code is, after the result was printed', async () => {
    const outcome = { status: 'failed', message: 'exit status 3', results: { 'return-code': 3 } };
    const { error, out } = await run('run pg/0 go --format json', ended(outcome));
    assert.ok(error instanceof OperatorError);
    assert.equal(
      error.message,
      'the following task failed:\n - id "2" with return code 3\n\n' +
        "use 'juju show-task' to inspect the failure",
    );
    assert.equal(JSON.parse(out.stdout())['pg/0'].message, 'exit status 3');
  });

  test('time that is over is an error, and the task goes on', async () => {
    const answers = { run: enqueued, 'show-task': task };
    const { error, out } = await run('run pg/0 go --wait 1ms --format json', answers);
    assert.ok(error instanceof OperatorError);
    assert.equal(error.message, 'timed out waiting for results from: unit pg/0');
    assert.equal(out.stdout(), '');
  });

  test('in the background it only says where to look', async () => {
    const { code, out, asked } = await run('run pg/0 go --background', { run: enqueued });
    assert.equal(code, 0);
    assert.match(out.stderr(), /pgcharm show-task 2/);
    assert.deepEqual(
      asked.map(({ verb }) => verb),
      ['run'],
    );
  });

  test('when no task could be scheduled stdout stays empty', async () => {
    const failures = ['unit "pg/9" not found'];
    const answers = { run: { operation: '3', tasks: [], failures } };
    const { code, out } = await run('run pg/9 go --format json', answers);
    assert.deepEqual([code, out.stdout()], [0, '']);
    const said = 'Operation 3 failed to schedule any tasks:\nunit "pg/9" not found\n';
    assert.equal(out.stderr(), said);
  });
});

describe('config', () => {
  const entry = { default: 5, description: '', source: 'user', type: 'int', value: 7 };
  const config = {
    application: 'pg',
    'application-config': {},
    charm: 'pg',
    settings: { max: entry },
  };

  test('one option is its bare value', async () => {
    assert.equal((await run('config pg max', { config })).out.stdout(), '7\n');
  });

  test('all options are a document', async () => {
    const { out } = await run('config pg --format json', { config });
    assert.deepEqual(JSON.parse(out.stdout()), config);
  });

  test('an option that is not there is an error', async () => {
    const { error } = await run('config pg nope', { config });
    assert.match(String(error), /key "nope" not found/);
  });
});

describe('the installation’s directory', () => {
  test('a root whose sockets would have too long a path is refused with a hint', () => {
    const long = join(directory, 'x'.repeat(80));
    assert.throws(() => resolveRoot({ PGCHARM_DIR: long }), {
      code: 'root-too-long',
      hint: /PGCHARM_DIR/,
    });
  });

  test('a directory that holds something else is left as it is', () => {
    const foreign = join(directory, 'home');
    mkdirSync(foreign, { mode: 0o750 });
    writeFileSync(join(foreign, 'letter'), '');
    assert.throws(() => resolveRoot({ PGCHARM_DIR: foreign }), {
      code: 'root-foreign',
      message: /letter/,
    });
    assert.equal(statSync(foreign).mode & 0o777, 0o750);
  });

  test('a file in the way is named', () => {
    const taken = file('taken', '');
    const refusal = { code: 'root-unusable', message: /cannot use .*taken/ };
    assert.throws(() => resolveRoot({ PGCHARM_DIR: taken }), refusal);
    assert.throws(() => resolveRoot({ PGCHARM_DIR: join(taken, 'below') }), refusal);
  });

  test('PGCHARM_DIR wins; it is made so that others can pass but not look', () => {
    const root = join(directory, 'root');
    assert.equal(resolveRoot({ PGCHARM_DIR: root }), root);
  });
});

describe('actions', () => {
  test('are listed with the first sentence of what they do', async () => {
    const actions = {
      backup: { description: 'Makes a backup\nof it, v1.2. Takes time.' },
      go: { description: 'Goes' },
      still: {},
    };
    const { out } = await run('actions pg', { actions });
    assert.deepEqual(out.stdout().split('\n').slice(1), [
      'backup  Makes a backup of it, v1.2.',
      'go      Goes',
      'still',
      '',
    ]);
  });
});

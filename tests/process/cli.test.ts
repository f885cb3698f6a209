/**
 * The CLI against a controller that it starts itself, driving a charm of a few lines of shell: what
 * an operator types and sees. The tests follow each other on one installation.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { ConfigDocument, SecretsDocument } from '../../src/controller/api/documents.ts';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses, killAndWait } from '../support/processes.ts';
import { packShellCharm } from '../support/shell-charm.ts';
import { projectRoot } from '../support/source-tree.ts';

const DISPATCH = `#!/bin/sh
case "$JUJU_DISPATCH_PATH" in
  hooks/start) open-port 8080 ;;
  hooks/upgrade-charm) [ -e "$JUJU_CHARM_DIR/../broken" ] && exit 4 ;;
  actions/greet)
    action-log "thinking"
    action-set said.to="$(action-get who)" greeting="$(config-get greeting)" ;;
  actions/fail) echo why >&2; action-fail "as asked"; exit 3 ;;
  actions/sleep) sleep 300 ;;
esac
status-set active "$(config-get greeting)"
`;
const FILES = {
  'metadata.yaml':
    'name: tiny\nsummary: s\ndescription: d\npeers: {crew: tiny}\n' +
    'storage: {data: {type: filesystem}}\n',
  'config.yaml': 'options: {greeting: {type: string, default: hello}}\n',
  'actions.yaml': 'greet: {params: {who: {type: string, default: you}}}\nfail: {}\nsleep: {}\n',
};

type Tasks = Record<string, { status: string; message?: string; results: Record<string, unknown> }>;

describe('an operator at the command line', async () => {
  const directory = await mkdtemp(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'cli-'));
  const charm = join(directory, 'tiny.charm');
  await packShellCharm(charm, { ...FILES, dispatch: DISPATCH });
  // Statuses that are set by hand stay.
  const it = await startDeployment({ model: { 'update-status-hook-interval': '1h' } });
  after(async () => {
    await it.end();
    await rm(directory, { recursive: true, force: true });
  });
  const fails = async (words: string | readonly string[]) => {
    const result = await it.pgcharm(words, { mayFail: true });
    assert.notEqual(result.code, 0, result.stdout);
    return result;
  };

  test('the first command started one controller, which is the operator’s alone', async () => {
    assert.equal(findProcesses(it.root, 'controller.js').length, 1);
    assert.equal(statSync(join(it.root, 'controller.sock')).mode & 0o777, 0o600);
    assert.equal(statSync(join(it.root, 'state')).mode & 0o777, 0o700);
    const current = readlinkSync(join(it.root, 'release', 'current'));
    assert.ok(existsSync(join(it.root, 'release', current, 'controller.js')));
    assert.ok(!readdirSync(join(it.root, 'release')).some((name) => name.endsWith('~')));
  });

  test('deploy, and wait until it is there', async () => {
    const deployed = await it.pgcharm(['deploy', charm, '-n', '2', '--config', 'greeting=hi']);
    assert.equal(deployed.stdout, '');
    assert.match(deployed.stderr, /^Located local charm "tiny", revision 0\nDeploying "tiny"/);
    const waited = await it.pgcharm('wait --timeout 180s');
    assert.match(waited.stderr, /tiny\/1 +active +hi$/m);
  });

  test('status in tables and in JSON', async () => {
    const { stdout } = await it.pgcharm('status --relations --storage');
    assert.match(stdout, /^tiny\/\d\* +active +idle +\d +127\.\d+\.\d+\.1\d +8080\/tcp +hi$/m);
    assert.match(stdout, /^tiny:crew +tiny:crew +tiny +peer$/m);
    assert.match(stdout, /^tiny\/0 +data\/0 +filesystem +rootfs +\S+ +1\.0 GiB +attached$/m);
    const { applications } = await it.status();
    assert.equal(applications['tiny']?.['application-status'].current, 'active');
    assert.equal(
      Object.values(applications['tiny']?.units ?? {}).filter((u) => u.leader).length,
      1,
    );
  });

  test('config is read, set, refused and reset', async () => {
    assert.equal((await it.pgcharm('config tiny greeting')).stdout, 'hi\n');
    await it.pgcharm('config tiny greeting=hey');
    await it.until('the new greeting', async () => {
      const units = Object.values(await it.units('tiny'));
      const said = units.every((unit) => unit['workload-status'].message === 'hey');
      return said ? true : undefined;
    });
    const { stderr } = await fails('config tiny shout=yes');
    assert.equal(stderr, 'ERROR unknown option "shout"\n');
    await it.pgcharm('config tiny --reset greeting');
    const { settings } = await it.json<ConfigDocument>('config tiny');
    assert.partialDeepStrictEqual(settings['greeting'], { value: 'hello', source: 'default' });
  });

  test('run answers with what the action set', async () => {
    const words = 'run tiny/leader greet who=bob --format json';
    const { stdout, stderr } = await it.pgcharm(words);
    const [answer] = Object.values(JSON.parse(stdout) as Tasks);
    assert.partialDeepStrictEqual(answer, {
      status: 'completed',
      results: { said: { to: 'bob' }, greeting: 'hello', 'return-code': 0 },
    });
    assert.match(stderr, /^Running operation \d+ with 1 task\n.*\d\d:\d\d:\d\d thinking\n/s);
  });

  test('run of a failing action prints its result and fails', async () => {
    const { code, stdout, stderr } = await fails('run tiny/0 fail --format json');
    assert.equal(code, 1);
    assert.match(stderr, /ERROR the following task failed:\n - id "\d+" with return code 3/);
    assert.partialDeepStrictEqual((JSON.parse(stdout) as Tasks)['tiny/0'], {
      status: 'failed',
      results: { stderr: 'why\n', 'return-code': 3 },
    });
  });

  test('a task in the background can be cancelled', async () => {
    const { stderr } = await it.pgcharm('run tiny/0 sleep --background');
    const id = /task (\d+) on/.exec(stderr)?.[1] ?? '';
    await it.until('the task runs', async () => {
      const task = await it.json<{ status: string }>(`show-task ${id}`);
      return task.status === 'running' ? true : undefined;
    });
    await it.pgcharm(`cancel-task ${id}`);
    const ended = await it.json<{ status: string }>(`show-task ${id} --wait 60s`);
    assert.equal(ended.status, 'aborted');
  });

  test('exec has the hook tools; ssh has the unit’s directory', async () => {
    const words = ['exec', '--unit', 'tiny/0', '--format', 'json', '--', 'config-get greeting'];
    const answers = JSON.parse((await it.pgcharm(words)).stdout) as Tasks;
    assert.equal(answers['tiny/0']?.results['stdout'], 'hello\n');
    const place = join(it.root, 'agents', 'unit-tiny-0');
    await writeFile(join(place, 'profile'), 'export FROM_PROFILE=yes\n');
    const shell = await it.pgcharm('ssh tiny/0', {
      stdin: 'pwd; echo $FROM_PROFILE; exit 5\n',
      mayFail: true,
    });
    assert.deepEqual([shell.stdout, shell.code], [`${place}\nyes\n`, 5]);
    const once = await it.pgcharm(['ssh', 'tiny/0', 'echo "a  b"; exit 7'], { mayFail: true });
    assert.deepEqual([once.stdout, once.code], ['a  b\n', 7]);
  });

  test('secrets stay secret until they are revealed', async () => {
    const file = join(directory, 'secret.yaml');
    await writeFile(file, 'password: s3cret\n', { mode: 0o600 });
    const { stdout } = await it.pgcharm(['add-secret', 'login', '--file', file]);
    const id = /^secret:([0-9a-v]{20})\n$/.exec(stdout)?.[1] ?? '';
    const plain = await it.pgcharm('show-secret login');
    assert.doesNotMatch(plain.stdout, /s3cret/);
    const shown = await it.json<SecretsDocument>('show-secret login --reveal');
    assert.deepEqual(shown[id]?.content, { Data: { password: 's3cret' } });
  });

  test('errors are Juju’s: text on stderr, code 1, 2 for wrong words; {} for JSON', async () => {
    for (const [words, code, stdout, stderr] of [
      ['show-unit tiny/9 --format json', 1, '{}\n', 'ERROR unit "tiny/9" not found\n'],
      [
        'run tiny/0 nope --format json',
        1,
        '{}\n',
        /^ERROR action "nope" not defined.*\(not found\)/,
      ],
      ['run tiny/9 greet --format json', 0, '', /failed to schedule any tasks:\nunit "tiny\/9"/],
      [
        'run tiny/0 sleep --wait 0.1s',
        1,
        '',
        /ERROR timed out waiting for results from: unit tiny\/0/,
      ],
      ['status --bogus', 2, '', 'ERROR option provided but not defined: --bogus\n'],
      ['status --model other', 1, '', /^ERROR model pgcharm:admin\/other not found\n/],
      ['deploy', 2, '', 'ERROR no charm or bundle specified\n'],
      ['frobnicate', 2, '', /^ERROR "frobnicate" is not a pgcharm command/],
    ] as const) {
      const result = await it.pgcharm(words, { mayFail: true });
      assert.deepEqual([result.code, result.stdout], [code, stdout], words);
      if (typeof stderr === 'string') assert.equal(result.stderr, stderr);
      else assert.match(result.stderr, stderr);
    }
    await it.pgcharm('model-config --model admin/pgcharm --format json');
  });

  test('a reader that goes away and Ctrl-C end a command quietly', async () => {
    const env = { ...process.env, PGCHARM_DIR: it.root };
    const cli = join(projectRoot, 'pgcharm');
    const piped = spawn('sh', ['-c', `'${cli}' debug-log --replay --date | head -n 1`], { env });
    let errors = '';
    piped.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    assert.deepEqual(await once(piped, 'close'), [0, null]);
    assert.equal(errors, '');
    const waiting = spawn(cli, ['wait', '--for', 'blocked'], { env });
    await once(waiting.stderr, 'data');
    waiting.kill('SIGINT');
    const [code] = await once(waiting, 'close');
    assert.equal(code, 130);
  });

  test('works from any directory and through a link', async () => {
    const link = join(directory, 'pgc');
    await symlink(join(projectRoot, 'pgcharm'), link);
    const env = { ...process.env, PGCHARM_DIR: it.root };
    const child = spawn(link, ['version', '--format', 'json', '--all'], { cwd: '/', env });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await once(child, 'close');
    assert.match(JSON.parse(text).version, /^4\.0\.\d+-ubuntu-(amd64|arm64)$/);
  });

  test('a failed upgrade waits for the operator', async () => {
    await writeFile(join(it.root, 'agents', 'unit-tiny-0', 'broken'), '');
    await it.pgcharm(`cancel-task ${await runningTask()}`);
    // Else it may be tried again between any two of these commands.
    await it.pgcharm('model-config automatically-retry-hooks=false');
    await it.pgcharm(['refresh', 'tiny', '--path', charm]);
    await it.pgcharm('wait tiny/0 --for error --timeout 180s');
    const { stdout } = await it.pgcharm('status tiny');
    assert.match(stdout, /^tiny\/0\*? +error +idle .* hook failed: "upgrade-charm"$/m);
    await rm(join(it.root, 'agents', 'unit-tiny-0', 'broken'));
    await it.pgcharm('resolved tiny/0');
    await it.pgcharm('wait --timeout 180s');
    assert.match((await fails('resolved tiny/0')).stderr, /is not in an error state/);
    await it.pgcharm('model-config automatically-retry-hooks=true');
  });

  test('wait gives up on a unit that stays blocked, with its words and what to do', async () => {
    await it.pgcharm(['exec', '--unit', 'tiny/0', 'status-set blocked "needs a key"']);
    const { stderr } = await fails('wait tiny --timeout 180s --blocked-timeout 1s');
    assert.match(stderr, /^ERROR cannot go on, blocked for 1\.0s: tiny\/0: needs a key\ndo what/m);
    await it.pgcharm(['exec', '--unit', 'tiny/0', 'status-set active hello']);
    await it.pgcharm('wait tiny --timeout 180s --blocked-timeout 1s');
  });

  function runningTask(): Promise<string> {
    interface Listed {
      tasks: Record<string, { status: string }>;
    }
    return it.until('a task runs', async () => {
      const listed = await it.json<Record<string, Listed>>('operations');
      const tasks = Object.values(listed).flatMap(({ tasks }) => Object.entries(tasks));
      return tasks.find(([, { status }]) => status === 'running')?.[0];
    });
  }

  test('power-off is seen as a lost agent; power-on brings the unit back', async () => {
    await it.pgcharm('power-off tiny/1');
    const lost = (await it.units('tiny'))['tiny/1'];
    assert.deepEqual(
      [lost?.['workload-status'].current, lost?.['juju-status'].current],
      ['unknown', 'lost'],
    );
    const { stderr } = await fails('wait tiny --timeout 0.2s');
    assert.match(stderr, /ERROR timed out after 200ms; not yet active:\n {2}tiny\/1: unknown lost/);
    await it.pgcharm('power-on tiny/1');
    await it.pgcharm('wait tiny --timeout 180s');
  });

  test('commands that meet no controller start one, and only one', async () => {
    const [before] = findProcesses(it.root, 'controller.js');
    assert.ok(before);
    process.kill(before.pid, 'SIGKILL');
    const answers = await Promise.all([it.status(), it.status(), it.status()]);
    for (const { applications } of answers) assert.ok(applications['tiny']);
    // The others found it there and are ending.
    const alone = async () => findProcesses(it.root, 'controller.js').length === 1 || undefined;
    await it.until('one controller', alone);
  });

  const killController = () => killAndWait(findProcesses(it.root, 'controller.js'));

  test('a taken port is one sentence and a hint', async () => {
    const { machines } = await it.status();
    const address = Object.values(machines)[0]?.['ip-addresses']?.[0] ?? '';
    const own = address.replace(/\d+$/, '1');
    const other = createServer();
    // Whoever still waits for the controller starts another, which is ended, too.
    await it.until('the port', async () => {
      await killController();
      return new Promise<true | undefined>((resolve) => {
        other.once('error', () => resolve(undefined));
        other.listen(17070, own, () => resolve(true));
      });
    });
    try {
      assert.equal(
        (await fails('models')).stderr.replace('starting the controller\n', ''),
        `ERROR cannot start the controller: cannot reserve ${own}:17070: another program listens ` +
          'there\nfind it with: ss -ltnp "sport = :17070", and end it\n',
      );
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
    assert.ok((await it.status()).applications['tiny']);
  });

  test('a controller of another release is named as the reason', async () => {
    const file = join(it.root, 'release', 'current', 'contract', 'api.ts');
    const text = await readFile(file, 'utf8');
    await writeFile(file, `${text}\n// Another one.\n`);
    await killController();
    const { stderr } = await it.pgcharm('status');
    assert.match(stderr, /^The controller is of another release .*`npm start` brings it/m);
    await writeFile(file, text);
    await killController();
    assert.doesNotMatch((await it.pgcharm('status')).stderr, /another release/);
  });

  test('a command that waits outlives the controller', async () => {
    const waiting = it.pgcharm('wait tiny --for maintenance --timeout 6s', { mayFail: true });
    const [controller] = findProcesses(it.root, 'controller.js');
    assert.ok(controller);
    const task = it.pgcharm('run tiny/0 sleep --format json', { mayFail: true });
    await runningTask();
    process.kill(controller.pid, 'SIGKILL');
    const [waited, ran] = await Promise.all([waiting, task]);
    assert.match(waited.stderr, /ERROR timed out after 6\.0s; not yet maintenance/);
    // An interrupted action is failed, never run again.
    assert.equal((JSON.parse(ran.stdout) as Tasks)['tiny/0']?.status, 'failed', ran.stderr);
  });

  test('remove-unit and remove-application leave nothing but storage', async () => {
    const { stderr } = await it.pgcharm('remove-unit tiny/1 --no-prompt');
    assert.equal(stderr, 'will remove unit tiny/1\n- will detach storage data/1\n');
    await it.pgcharm('wait tiny/1 --for removed --timeout 180s');
    await it.pgcharm('remove-application tiny --no-prompt --destroy-storage');
    await it.pgcharm('wait tiny --for removed --timeout 180s');
    // Data that are to go go last, and take the time that they take.
    const { applications, machines } = await it.until('the storage gone', async () => {
      const status = await it.status();
      return Object.keys(status.storage.storage ?? {}).join() === 'data/1' ? status : undefined;
    });
    assert.deepEqual([applications, machines], [{}, {}]);
    assert.equal((await it.pgcharm('status')).stderr, '\nModel "pgcharm" is empty.\n');
  });
});

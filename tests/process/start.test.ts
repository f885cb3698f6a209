/**
 * `npm start`, `npm stop` and `npm run clean` as a newcomer runs them, in a directory of their own.
 * The tests follow each other: each begins where the one before ended.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { charmArchive, ensureBuilt } from '../support/build.ts';
import { deploymentAt } from '../support/deployment.ts';
import { findProcesses, removeInstallation } from '../support/processes.ts';
import { projectRoot } from '../support/source-tree.ts';
import { accessOf, query } from '../support/sql.ts';

describe('the project’s commands', async () => {
  await ensureBuilt();
  const parent = await mkdtemp(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'st-'));
  await chmod(parent, 0o711);
  const root = join(parent, 'd');
  const bundle = join(parent, 'bundle.yaml');
  await writeFile(bundle, bundleText());
  const model = deploymentAt(root);
  after(() => removeInstallation(parent));
  const run = (script: string, ...args: string[]) => runScript(script, args, root);
  const running = () =>
    findProcesses(root)
      .filter(({ command }) => /bin\/postgres|pgbouncer|etcd|patroni|controller\.js/.test(command))
      .filter(({ command }) => !command.startsWith('postgres:'))
      .map(({ pid, started }) => `${pid}/${started}`)
      .sort();

  /** Without what comes and goes: server processes have the server's name before their own. */
  const lasting = async () => {
    const looks = [running()];
    for (let look = 0; look < 5; look += 1) {
      await delay(200);
      looks.push(running());
    }
    return (looks[0] ?? []).filter((each) => looks.every((look) => look.includes(each)));
  };

  test('start brings a model up and says how to use it', async () => {
    const { code, output } = await run('start', bundle);
    assert.equal(code, 0, output);
    assert.match(output, /postgresql\/0.* active /);
    assert.match(output, /PGPASSFILE=\S+ psql "host=/);
    assert.match(output, /Next:\n(.+\n){3}/);
    const password = (await accessOf(model)).password;
    assert.ok(!output.includes(password), 'the password is on the terminal');
    assert.equal(statSync(join(root, 'psql.pass')).mode & 0o777, 0o600);
  });

  test('a second start changes nothing', async () => {
    const before = await lasting();
    assert.ok(before.length >= 4);
    const { code, output } = await run('start', bundle);
    assert.equal(code, 0, output);
    assert.match(output, /PGPASSFILE=\S+ psql "host=/);
    assert.deepEqual(await lasting(), before);
  });

  test('stop ends every process and keeps the data; start brings it back', async () => {
    await query(await accessOf(model), 'CREATE TABLE kept AS SELECT 7 AS n');
    const { code, output } = await run('stop');
    assert.equal(code, 0, output);
    assert.deepEqual(findProcesses(root), []);
    const again = await run('start', bundle);
    assert.equal(again.code, 0, again.output);
    assert.deepEqual(await query(await accessOf(model), 'SELECT n FROM kept'), [{ n: 7 }]);
  });

  test('clean asks first, then leaves neither process nor file', async () => {
    const refused = await run('clean');
    assert.equal(refused.code, 1);
    assert.match(refused.output, /without a yes/);
    assert.ok(running().length > 0);
    const { code, output } = await run('clean', '--yes');
    assert.equal(code, 0, output);
    assert.deepEqual(findProcesses(root), []);
    assert.equal(existsSync(root), false);
  });

  test('clean refuses a directory that is no installation', async () => {
    await writeFile(join(parent, 'precious'), '');
    const { code, output } = await runScript('clean', ['--yes'], parent);
    assert.equal(code, 1);
    assert.match(output, /holds something else/);
    assert.ok(existsSync(join(parent, 'precious')));
  });
});

function bundleText(): string {
  return [
    'applications:',
    '  postgresql:',
    `    charm: ${charmArchive('postgresql')}`,
    '    num_units: 1',
    '    options: { profile: testing, pooler-mode: transaction }',
    '  data-integrator:',
    `    charm: ${charmArchive('data-integrator')}`,
    '    num_units: 1',
    '    options: { database-name: shop }',
    'relations:',
    '  - [postgresql:database, data-integrator:postgresql]',
    '',
  ].join('\n');
}

/** Off a terminal, with its output in one text. */
function runScript(
  script: string,
  args: readonly string[],
  root: string,
): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [join(projectRoot, 'scripts', `${script}.mjs`), ...args], {
    cwd: projectRoot,
    env: { ...process.env, PGCHARM_DIR: root },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 137, output }));
  });
}

/**
 * A charm of bash and Python that shares nothing with this project but the contract: deployed,
 * related, refreshed, failing, removed. The tests follow each other on one installation.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startDeployment } from '../support/deployment.ts';
import { packShellCharm } from '../support/shell-charm.ts';
import { projectRoot } from '../support/source-tree.ts';

const run = promisify(execFile);
const SOURCE = join(projectRoot, 'tests', 'support', 'foreign-charm');

interface Task {
  status: string;
  message?: string;
  log?: string[];
  results?: Record<string, unknown>;
}

describe('a charm in other languages', async () => {
  const directory = await mkdtemp(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'ledger-'));
  const charm = join(directory, 'ledger.charm');
  const files = Object.fromEntries(
    readdirSync(SOURCE).map((name) => [name, readFileSync(join(SOURCE, name), 'utf8')]),
  );
  await packShellCharm(charm, files);
  // No event but those that the tests cause.
  const quiet = { 'automatically-retry-hooks': 'false', 'update-status-hook-interval': '1h' };
  const model = await startDeployment({ model: quiet });
  after(async () => {
    await model.end();
    await rm(directory, { recursive: true, force: true });
  });

  const act = async (unit: string, action: string, ...params: string[]): Promise<Task> => {
    const words = ['run', unit, action, ...params, '--wait', '100s', '--format', 'json'];
    const { stdout, stderr } = await model.pgcharm(words, { mayFail: true });
    const task = (JSON.parse(stdout) as Record<string, Task>)[unit];
    assert.ok(task, stderr);
    return task;
  };
  const journal = async (unit: string): Promise<{ events: string[]; count: number }> => {
    const { results } = await act(unit, 'journal');
    return { events: String(results?.['events']).split(' '), count: Number(results?.['count']) };
  };
  const message = async (application: string): Promise<string> => {
    const [unit] = Object.values(await model.units(application));
    return unit?.['workload-status'].message ?? '';
  };
  const says = (application: string, text: string) =>
    model.until(`${application} says ${text}`, async () =>
      (await message(application)) === text ? true : undefined,
    );

  test('is deployed twice, with storage, and every event in order', async () => {
    await model.pgcharm(['deploy', charm, 'lender', '--config', 'title=Moby']);
    await model.pgcharm(['deploy', charm, 'borrower']);
    await model.active(['lender', 'borrower']);
    const { events, count } = await journal('lender/0');
    const [first, ...rest] = [
      'pages-storage-attached',
      'leader-elected',
      'config-changed',
      'start',
    ];
    assert.equal(events[0], first);
    const found = events.filter((event) => rest.includes(event));
    assert.deepEqual(found.toSorted(), rest.toSorted());
    assert.equal(found.at(-1), 'start');
    assert.ok(events.includes('ledgers-relation-created'));
    assert.equal(count, events.length + 1); // All but install are written down.
    const { applications } = await model.status();
    assert.equal(applications['lender']?.version, 'first');
    assert.deepEqual(applications['lender']?.units?.['lender/0']?.['open-ports'], ['7070/tcp']);
  });

  test('what it lends arrives: relation data, and a secret that was granted', async () => {
    await model.pgcharm('integrate lender:lend borrower:borrow');
    await says('borrower', 'Moby');
    const { status, results, log } = await act('borrower/0', 'recite');
    assert.equal(status, 'completed');
    assert.partialDeepStrictEqual(results, {
      said: { word: 'whale', title: 'Moby' },
      lender: 'lender',
    });
    assert.match(log?.[0] ?? '', /asking lender$/);
    await model.pgcharm('config lender title=Ahab');
    await says('borrower', 'Ahab');
  });

  test('a new revision of the secret is told and read', async () => {
    const file = join(directory, 'word');
    await writeFile(file, 'squid', { mode: 0o600 });
    assert.equal((await act('lender/0', 'reprint', `from=${file}`)).status, 'completed');
    await model.until('the new word', async () => {
      const { results } = await act('borrower/0', 'recite');
      return (results?.['said'] as { word?: string })?.word === 'squid' ? true : undefined;
    });
    const log = await model.pgcharm('debug-log --replay --no-tail --level DEBUG');
    assert.doesNotMatch(log.stdout, /squid|whale/);
    assert.match(log.stdout, /unit-borrower-0: .*ledger sees secret-changed/);
  });

  test('an action fails by what it says or by how it ends; the unit stays well', async () => {
    const told = await act('lender/0', 'recite');
    assert.deepEqual([told.status, told.message], ['failed', 'nothing was lent']);
    const broken = await act('lender/0', 'break');
    assert.equal(broken.status, 'failed');
    assert.equal(broken.results?.['return-code'], 1);
    assert.match(String(broken.results?.['stderr']), /as asked/);
    await model.active(['lender']);
  });

  test('what a failed hook wrote is not there; resolved runs it again', async () => {
    const before = await journal('lender/0');
    await model.pgcharm('config lender stumble=config-changed title=Lost');
    await model.pgcharm('wait lender/0 --for error --timeout 100s');
    const { stdout } = await model.pgcharm('status lender');
    assert.match(stdout, /hook failed: "config-changed"/);
    assert.equal(await message('borrower'), 'Ahab');
    await model.pgcharm('config lender stumble=');
    await model.pgcharm('resolved lender/0');
    await says('borrower', 'Lost');
    await model.active(['lender']);
    const now = await journal('lender/0');
    const runs = now.events.slice(before.events.length);
    assert.ok(runs.length > now.count - before.count, JSON.stringify([before, now]));
  });

  test('resolved --no-retry lets a failing hook be', async () => {
    await model.pgcharm('config borrower stumble=config-changed');
    await model.pgcharm('wait borrower/0 --for error --timeout 100s');
    await model.pgcharm('resolved --no-retry borrower/0');
    await model.active(['borrower']);
  });

  test('a process outside of hooks has any event run, through the queue', async () => {
    const tool = join(model.root, 'tools', 'unit-lender-0', 'juju-exec');
    const command = 'JUJU_DISPATCH_PATH=hooks/tide_turned ./dispatch && echo done';
    const { stdout } = await run(tool, ['lender/0', command]);
    assert.match(stdout, /done\n$/);
    assert.equal((await journal('lender/0')).events.at(-1), 'tide_turned');
    await assert.rejects(run(tool, ['lender/7', command]), /unit "lender\/7" not found/);
    await assert.rejects(run(tool, ['lender/0', 'exit 9']), { code: 9 });
  });

  test('a refresh runs upgrade-charm and keeps state and storage', async () => {
    const before = await journal('lender/0');
    await packShellCharm(charm, { ...files, edition: 'second\n' });
    await model.pgcharm(['refresh', 'lender', '--path', charm]);
    await model.until('the second edition', async () => {
      const { applications } = await model.status();
      return applications['lender']?.version === 'second' ? true : undefined;
    });
    await model.active(['lender']);
    const now = await journal('lender/0');
    const fresh = now.events.slice(before.events.length);
    assert.deepEqual(fresh.slice(0, 2), ['upgrade-charm', 'config-changed']);
    assert.ok(now.count > before.count);
  });

  test('without the relation it forgets; the secret is out of reach', async () => {
    const secret = Object.keys(await model.json<Record<string, unknown>>('secrets'))[0] ?? '';
    await model.pgcharm('remove-relation lender:lend borrower:borrow');
    await says('borrower', '');
    // The other side has to say goodbye too before the relation, and with it the grant, is gone.
    await model.until('the relation gone', async () => {
      const { relations } = (await model.status()).applications['borrower'] ?? {};
      return relations?.['borrow'] === undefined ? true : undefined;
    });
    assert.equal((await act('borrower/0', 'recite')).message, 'nothing was lent');
    const words = ['exec', '--unit', 'borrower/0', '--', `secret-get secret:${secret}`];
    const refused = await model.pgcharm(words, { mayFail: true });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /permission denied|not found/);
  });

  test('it goes, with its storage and its directories', async () => {
    await model.pgcharm('remove-application lender borrower --no-prompt --destroy-storage');
    await model.pgcharm('wait lender borrower --for removed --timeout 100s');
    const { applications, machines } = await model.status();
    assert.deepEqual([applications, machines], [{}, {}]);
    await model.until('its storage is gone', async () =>
      Object.keys((await model.status()).storage.storage ?? {}).length === 0 ? true : undefined,
    );
    await model.until('its directories are gone', async () =>
      ['agents/unit-lender-0', 'tools/unit-lender-0', 'storage/pages/0'].some((path) =>
        existsSync(join(model.root, path)),
      )
        ? undefined
        : true,
    );
  });
});

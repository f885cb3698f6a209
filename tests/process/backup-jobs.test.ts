/**
 * Jobs on a real PostgreSQL, pgBackRest and object store: the stanza, backups, the list, restores,
 * what is refused, and what is left when a process dies in the middle.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { commandLine, processTree } from '../../lib/machine/processes.ts';
import { poll } from '../../lib/std/clock.ts';
import { streamLog } from '../../lib/std/log.ts';
import { createJobs } from '../../src/agent/jobs/engine.ts';
import { discard, putBack } from '../../src/agent/jobs/old-data.ts';
import type { Jobs } from '../../src/agent/jobs-port.ts';
import { formatBackups } from '../../src/charm/model/backup-list.ts';
import type { Repository } from '../../src/charm/model/repository.ts';
import { selectTarget } from '../../src/charm/model/restore-target.ts';
import type { AgentWorld, RepositoryView } from '../../src/charm/model/world.ts';
import { createPgBackRest } from '../../src/charm/workload/pgbackrest.ts';
import { serverUser } from '../support/database-cluster.ts';
import { STANZA, startLoneServer } from '../support/lone-server.ts';
import { findProcesses, killAndWait } from '../support/processes.ts';

const RUNNER = join(import.meta.dirname, '../../src/agent/jobs/runner.ts');
const server = await startLoneServer();
/** The agent's jobs; replaced when a test plays the agent's end. */
const agent = { jobs: openJobs() };

function openJobs(): Jobs {
  return createJobs(
    {
      dir: server.dir,
      desired: () => server.desired,
      world: () => ({}) as AgentWorld,
      log: streamLog({ write: () => true }),
      changed: () => undefined,
    },
    { runner: RUNNER },
  );
}

after(async () => {
  agent.jobs.close();
  for (const { id, state } of agent.jobs.list())
    if (state === 'running') await agent.jobs.cancel(id);
  // One that began since would leave its outcome in a directory that is gone.
  await killAndWait(findProcesses(server.dir, RUNNER));
  await server.close();
});

async function finish(kind: string, params: Record<string, string> = {}) {
  const lines: string[] = [];
  const id = await agent.jobs.start(kind, params);
  const ending = await agent.jobs.follow(
    id,
    (line) => lines.push(line),
    new AbortController().signal,
  );
  return { ...ending, id, lines };
}

/** Does that to a backup under way: one that has ended before it was struck is made again. */
async function met<T extends { state: unknown }>(strike: (id: string) => Promise<T>): Promise<T> {
  for (;;) {
    const struck = await strike(await agent.jobs.start('backup', { type: 'full' }));
    if (struck.state !== 'done') return struck;
  }
}

async function repository(): Promise<Repository> {
  const { outcome, message, result } = await finish('list');
  assert.equal(outcome, 'done', message);
  return JSON.parse(result['repository'] ?? '');
}

async function viewWith(wanted: (view: RepositoryView) => boolean): Promise<RepositoryView> {
  const probe = async () => {
    const view = agent.jobs.repository();
    return view.known && wanted(view.value) ? view.value : undefined;
  };
  const view = await poll(probe, { timeoutMs: 180_000 });
  assert.ok(view, `the repository is ${JSON.stringify(agent.jobs.repository())}`);
  return view;
}

const rows = async () =>
  (await server.sql<{ t: string }>('SELECT t FROM facts ORDER BY 1')).map(({ t }) => t);
const now = async () => {
  const [row] = await server.sql<{ now: string }>(
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS now",
  );
  return row?.now ?? '';
};
const settle = async () => {
  const [row] = await server.sql<{ wal: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS wal');
  const archived = async () => {
    const [seen] = await server.sql<{ last: string }>(
      'SELECT last_archived_wal AS last FROM pg_stat_archiver',
    );
    return seen && seen.last >= (row?.wal ?? '') ? true : undefined;
  };
  assert.ok(await poll(archived, { timeoutMs: 180_000 }));
};

async function restore(tag: string, request: { backupId?: string; restoreToTime?: string }) {
  const known = await repository();
  const target = selectTarget(
    { backupId: request.backupId, restoreToTime: request.restoreToTime },
    known,
    Date.now() / 1000,
  );
  if (!target.ok) throw new Error(target.reason);
  await server.stop();
  return finish('restore', {
    tag,
    set: target.set,
    type: target.type,
    target: target.target ?? '',
    timeline: String(target.timeline),
    'system-identifier': known.systemIdentifier ?? '',
  });
}

describe('jobs', () => {
  test('make the bucket, the mark and the stanza, and see WAL arrive', async () => {
    const first = await viewWith((view) => view.stanza === 'ok');
    assert.equal(first.archiving, false);
    await server.archive();
    await server.sql('CREATE TABLE facts (t text)');
    await viewWith((view) => view.archiving);
    const mark = join(server.store.config.directory, 'backups/postgresql');
    const owner = (await readdir(mark)).filter((name) => name.startsWith('model-uuid'));
    assert.ok(owner.length > 0);
  });

  test('an incremental backup needs a full one', async () => {
    const { outcome, message } = await finish('backup', { type: 'incremental' });
    assert.equal(outcome, 'failed');
    assert.match(message, /No previous full backup to reference/);
  });

  test('a backup tells of its progress and is listed', async () => {
    const full = await finish('backup', { type: 'full' });
    assert.equal(full.outcome, 'done', full.message);
    assert.match(full.result['backup-id'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(full.lines.some((line) => line.includes('new backup label')));
    assert.doesNotMatch(full.lines.join('\n'), new RegExp(server.store.secretKey.slice(0, 8)));
    const incremental = await finish('backup', { type: 'incremental' });
    assert.equal(incremental.outcome, 'done', incremental.message);
    const text = formatBackups(await repository(), { bucket: 'backups', path: '/postgresql' });
    assert.match(text, /full backup +\| finished \| None/);
    assert.match(text.split('\n').at(-1) ?? '', /incremental backup/);
    const log = join(server.store.config.directory, `backups/postgresql/backup/${STANZA}`);
    assert.ok((await readdir(log)).some((name) => name.startsWith('latest')));
  });

  test('a job goes on without its agent, and the next agent finds it', async () => {
    const id = await agent.jobs.start('backup', { type: 'full' });
    agent.jobs.close();
    agent.jobs = openJobs();
    const lines: string[] = [];
    const ending = await agent.jobs.follow(
      id,
      (line) => lines.push(line),
      new AbortController().signal,
    );
    assert.equal(ending.outcome, 'done', ending.message);
    assert.ok(lines.length > 0);
  });

  test('only one backup at a time, and it can be cancelled', async () => {
    const id = await agent.jobs.start('backup', { type: 'full' });
    await assert.rejects(agent.jobs.start('backup', { type: 'full' }), { code: 'job-running' });
    await agent.jobs.follow(id, () => undefined, new AbortController().signal);
    const jobOf = (one: string) => agent.jobs.list().find((job) => job.id === one);
    const { state } = await met(async (one) => {
      const begun = async () => (jobOf(one)?.message ? true : undefined);
      await poll(begun, { timeoutMs: 60_000, everyMs: 20 });
      await agent.jobs.cancel(one);
      return { state: jobOf(one)?.state };
    });
    assert.equal(state, 'cancelled');
    const again = await finish('backup', { type: 'full' });
    assert.equal(again.outcome, 'done', again.message);
  });

  test('a backup from a store that does not answer any more fails by itself', async () => {
    const config = server.desired.backup?.config ?? '';
    const options = { config, stanza: STANZA, user: serverUser, quietMs: 3000 };
    const [store] = findProcesses(server.store.base);
    assert.ok(store);
    process.kill(store.pid, 'SIGSTOP');
    try {
      const failing = createPgBackRest(options).backup('full', false, () => undefined);
      const message = /nothing moved for 3\.0s; its last words: .* command begin/;
      await assert.rejects(failing, { code: 'pgbackrest-stalled', message });
      const left = await Promise.all((await processTree(process.pid)).map(commandLine));
      assert.ok(!left.some((words) => words?.includes(`--config=${config}`)));
    } finally {
      process.kill(store.pid, 'SIGCONT');
    }
    const again = await finish('backup', { type: 'full' });
    assert.equal(again.outcome, 'done', again.message);
  });

  test('a job that is killed is a failed job', async () => {
    const { state, message } = await met(async (id) => {
      const file = join(server.dir, 'jobs', id, 'process.json');
      const pid = await poll(
        async () => JSON.parse(await readFile(file, 'utf8').catch(() => '{}')).pid as number,
        { timeoutMs: 60_000, everyMs: 20 },
      );
      assert.ok(pid);
      if (existsSync(`/proc/${pid}`)) process.kill(-pid, 'SIGKILL');
      const signal = new AbortController().signal;
      const ending = await agent.jobs.follow(id, () => undefined, signal);
      return { state: ending.outcome, message: ending.message };
    });
    assert.equal(state, 'failed');
    assert.match(message, /ended without a result/);
  });

  test('restores to a moment, beside the old data, and can put them back', async () => {
    await server.sql("INSERT INTO facts VALUES ('one')");
    const moment = await now();
    await server.sql("INSERT INTO facts VALUES ('two')");
    await settle();
    const done = await restore('t1', { restoreToTime: moment });
    assert.equal(done.outcome, 'done', `${done.message}\n${done.lines.join('\n')}`);
    const { dataDir } = server.desired.paths;
    const beside = await readdir(dirname(dataDir));
    assert.deepEqual(beside.toSorted(), ['main', 'main.before-t1']);
    await server.start();
    assert.deepEqual(await rows(), ['one']);
    const [auto] = await server.sql<{ n: string }>(
      "SELECT count(*) AS n FROM pg_file_settings WHERE name ~ 'recovery_target|restore_command'",
    );
    assert.equal(auto?.n, '0');

    await server.stop();
    assert.equal(await putBack(dataDir, 't1'), true);
    assert.equal(await putBack(dataDir, 't1'), false);
    await server.start();
    assert.deepEqual(await rows(), ['one', 'two']);
  });

  test('a moment after the end of the archive fails, with the old data kept', async () => {
    const known = await repository();
    await server.stop();
    const backup = known.backups.at(-1);
    const soon = new Date(Date.now() - 1000).toISOString().replace('T', ' ').replace('Z', '+00');
    const failed = await finish('restore', {
      tag: 't2',
      set: backup?.label ?? '',
      type: 'time',
      target: soon,
      timeline: String(backup?.timeline),
      'system-identifier': known.systemIdentifier ?? '',
    });
    assert.equal(failed.outcome, 'failed');
    assert.match(failed.message, /the archive ends before that moment/);
    assert.equal(await putBack(server.desired.paths.dataDir, 't2'), true);
    await server.start();
    assert.deepEqual(await rows(), ['one', 'two']);
  });

  test('restores a backup by its id, and what was before can be discarded', async () => {
    const first = (await repository()).backups[0];
    const done = await restore('t3', { backupId: first?.label ?? '' });
    assert.equal(done.outcome, 'done', `${done.message}\n${done.lines.join('\n')}`);
    await server.start();
    assert.deepEqual(await rows(), []);
    const { dataDir } = server.desired.paths;
    await discard(dataDir);
    assert.deepEqual(await readdir(dirname(dataDir)), ['main']);
  });

  const refused: [name: string, change: Record<string, string>, stanza: string, text: RegExp][] = [
    ['a wrong key', { secretKey: 'guess' }, 'unreachable', /refuses the credentials/],
    ['a store that is away', { endpoint: 'https://127.0.0.1:1' }, 'unreachable', /cannot reach/],
    ['a certificate of nobody', { caFile: '' }, 'unreachable', /cannot trust/],
  ];
  for (const [name, change, stanza, text] of refused) {
    test(`says what is wrong with ${name}, and heals`, async () => {
      const backup = server.desired.backup;
      assert.ok(backup);
      const caFile = change['caFile'] === '' ? undefined : backup.s3.caFile;
      await server.writeWish({ backup: { ...backup, s3: { ...backup.s3, ...change, caFile } } });
      const view = await viewWith((each) => each.stanza !== 'ok');
      assert.equal(view.stanza, stanza);
      assert.match(view.message, text);
      assert.doesNotMatch(view.message, new RegExp(server.store.secretKey.slice(0, 8)));
      await server.writeWish({ backup });
      await viewWith((each) => each.stanza === 'ok');
    });
  }

  test('a repository of another model is left alone', async () => {
    const { unit } = server.desired;
    const backup = server.desired.backup;
    assert.ok(backup);
    const stanza = 'model.other';
    await server.writeWish({
      unit: { ...unit, modelUuid: 'another' },
      backup: { ...backup, stanza },
    });
    const view = await viewWith((each) => each.stanza === 'foreign');
    assert.match(view.message, /belongs to model 11111111/);
    await server.writeWish({ unit, backup });
  });
});

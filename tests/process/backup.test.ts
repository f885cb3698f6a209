/**
 * Backup and restore as an operator meets them: three units and the object store under the real
 * controller. The tests follow one another on one deployment, like a day of that operator.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { signalAll } from '../../scripts/lib/processes.mjs';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses, killAndWait } from '../support/processes.ts';
import { mountDisk } from '../support/small-disk.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

interface TaskResult {
  status: string;
  message?: string;
  log?: string[];
  results?: Record<string, string>;
}

/** What `find` prints; what vanishes while it looks is no failure of it. */
async function find(...words: string[]): Promise<string> {
  const found = await run('find', words).catch((error: { stdout: string }) => error);
  return found.stdout;
}

/** Does it again and again, one after the other, until it is told to end. */
function forever(work: () => Promise<void>): { end(): Promise<void> } {
  let running = true;
  const loop = async () => {
    while (running) {
      await work();
      await delay(50);
    }
  };
  const ended = loop();
  return {
    async end() {
      running = false;
      await ended;
    },
  };
}

/** While a pgBackRest of this machine backs up what bears the same name, with its usual places. */
async function besideAnother<T>(body: () => Promise<T>): Promise<T> {
  const file = '/tmp/pgbackrest/pgcharm.postgresql-backup.lock';
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn('flock', ['--no-fork', file, 'sleep', '600'], { stdio: 'ignore' });
  try {
    await once(holder, 'spawn');
    return await body();
  } finally {
    holder.kill('SIGKILL');
    await rm(file, { force: true });
  }
}

describe('backup and restore', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '1h' } });
  // The storages `data` of all units: whole, until a test makes them small.
  const disk = await mountDisk(join(model.root, 'storage/data'));
  after(() => {
    disk?.end();
    return model.end();
  });

  const act = async (unit: string, action: string, ...params: string[]): Promise<TaskResult> => {
    const words = ['run', unit, action, ...params, '--wait', '5m', '--format', 'json'];
    const { stdout } = await model.pgcharm(words, { mayFail: true, timeoutMs: 320_000 });
    const answer = JSON.parse(stdout) as Record<string, TaskResult>;
    const result = answer[unit];
    assert.ok(result, stdout);
    return result;
  };
  const refused = async (params: string[]): Promise<string> => {
    const { status, message } = await act('postgresql/1', 'restore', ...params);
    assert.equal(status, 'failed');
    return message ?? '';
  };
  const succeed = async (unit: string, action: string, ...params: string[]) => {
    const result = await act(unit, action, ...params);
    assert.equal(result.status, 'completed', JSON.stringify(result));
    return result.results ?? {};
  };
  const psql = async (unit: number, text: string): Promise<string> => {
    const program = join(model.root, 'agents', `unit-postgresql-${unit}`, 'pg/bin/psql');
    return (await run(program, ['-Atc', text])).stdout.trim();
  };
  const primaryNow = async (): Promise<number | undefined> => {
    for (const unit of [0, 1, 2]) {
      const role = await psql(unit, 'SELECT pg_is_in_recovery()').catch(() => 'down');
      if (role === 'f') return unit;
    }
    return undefined;
  };
  const primary = () => model.until('a primary', primaryNow);
  const write = async (fact: string) =>
    psql(await primary(), `INSERT INTO facts VALUES ('${fact}')`);
  const facts = (unit: number) => psql(unit, "SELECT string_agg(t, ' ' ORDER BY t) FROM facts");
  const now = async () =>
    psql(
      await primary(),
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    );
  /** Data and WAL of before a restore that lie beside their place. */
  const aside = () => {
    const places = ['data', 'logs'].map((name) => join(model.root, 'storage', name));
    return find(...places, '-maxdepth', '4', '-name', '*.before-*');
  };
  /** The process that restores on a unit, by the directory of its job. */
  const jobOf = (unit: string) => findProcesses(model.root, `unit-${unit}/pg/jobs`, '-restore-');
  const streaming = () =>
    model.until('both replicas stream', async () => {
      const unit = await primaryNow();
      if (unit === undefined) return undefined;
      const text = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
      return (await psql(unit, text).catch(() => '')) === '2' ? true : undefined;
    });
  /** The same rows on every unit, all replicas streaming, nothing of before left. */
  const settled = async (expected: string) => {
    await model.until(`every unit has ${expected}`, async () => {
      const all = await Promise.all([0, 1, 2].map((unit) => facts(unit).catch(() => 'down')));
      return all.every((found) => found === expected) ? true : undefined;
    });
    await streaming();
    // Every unit removes its own, some of them after the work has ended.
    await model.until('nothing of before', async () => ((await aside()) === '' ? true : undefined));
  };
  const objects = async () => {
    const base = join(model.root, 'storage/data');
    const found = await find(base, '-maxdepth', '2', '-name', 'objects');
    return join(found.trim(), 'backups/postgresql');
  };

  test('three units and a store become active, with WAL in the archive', async () => {
    await model.pgcharm([
      ...['deploy', charmArchive('postgresql'), '-n', '3', '--config', 'profile=testing'],
    ]);
    const none = await act('postgresql/0', 'list-backups').catch((error: Error) => error);
    assert.match(
      JSON.stringify(none),
      /Relation with s3-integrator charm missing|not found|failed/,
    );
    await model.pgcharm(['deploy', charmArchive('object-store')]);
    await model.pgcharm('integrate postgresql:s3-parameters object-store:s3');
    await model.active(['postgresql', 'object-store']);
    await model.until('WAL archived', async () => {
      const unit = await primary();
      const command = await psql(unit, 'SHOW archive_command').catch(() => '');
      if (!command.includes('archive-push')) return undefined;
      const archiver = 'SELECT last_archived_wal FROM pg_stat_archiver';
      return (await psql(unit, archiver).catch(() => '')) === '' ? undefined : true;
    });
    await streaming();
    await psql(await primary(), 'CREATE TABLE facts (t text)');
  });

  test('nothing can be restored before there is a backup', async () => {
    assert.match(await refused(['restore-to-time=latest']), /the repository holds no backup/);
  });

  test('a backup is made from a replica and listed on any unit', async () => {
    await write('base');
    const { log, results } = await besideAnother(() => act('postgresql/1', 'create-backup'));
    assert.equal(results?.['backup-status'], 'backup created');
    assert.match((log ?? []).join('\n'), /replay on the standby reached/);
    const { backups = '' } = await succeed('postgresql/2', 'list-backups');
    const last = backups.trimEnd().split('\n').at(-1) ?? '';
    assert.equal(last.split(' ')[0], results?.['backup-id']);
    assert.match(last, /full backup +\| finished/);
  });

  test('an incremental one on the primary; a job to look at later; its agent killed', async () => {
    const unit = `postgresql/${await primary()}`;
    await succeed(unit, 'create-backup', 'type=incremental');
    const started = await succeed(unit, 'create-backup', 'type=full', 'wait=0');
    const id = started['job-id'] ?? '';
    const dir = unit.replace('/', '-');
    const agents = findProcesses(model.root, `unit-${dir}/pg/agent`, '--dir');
    assert.ok(agents.length > 0);
    await killAndWait(agents);
    await model.until('the backup done', async () => {
      const job = await act(unit, 'show-job', `job-id=${id}`);
      return job.results?.['backup-status'] === 'backup created' ? true : undefined;
    });
  });

  const asked: [name: string, params: string[], reason: RegExp][] = [
    ['nothing', [], /Either backup-id or restore-to-time/],
    ['a word', ['restore-to-time=yesterday'], /Bad restore-to-time format/],
    ['an unknown backup', ['backup-id=2020-01-01T00:00:00Z'], /Invalid backup-id/],
    ['the time before the first backup', ['restore-to-time=2020-01-01 00:00:00'], /first backup/],
    ['the future', ['restore-to-time=2099-01-01 00:00:00'], /lies in the future/],
  ];
  for (const [name, params, reason] of asked) {
    test(`refuses ${name}, and nothing is touched`, async () => {
      const postmaster = () => psql(0, 'SELECT pg_postmaster_start_time()');
      const before = await postmaster();
      assert.match(await refused(params), reason);
      assert.equal(await postmaster(), before);
    });
  }

  const skip = disk === undefined && 'a disk of its own needs root';
  test('refuses what the disk cannot hold, with the numbers, and nothing is touched', {
    skip,
  }, async () => {
    const running = () =>
      Promise.all([0, 1, 2].map((unit) => psql(unit, 'SELECT pg_postmaster_start_time()')));
    const before = await running();
    await disk?.leave(100 * MIB);
    // The tests after this one need the room.
    const message = await refused(['restore-to-time=latest']).finally(() => disk?.leave(undefined));
    const numbers = /data of \S+ needs [^;]*\((\d+) bytes\) beside [^;]*\((\d+) bytes\) are free/;
    const [, needed, free] = numbers.exec(message) ?? assert.fail(message);
    assert.ok(Number(needed) > 256 * MIB && Number(needed) < 1024 * MIB, message);
    assert.ok(Number(free) > 0 && Number(free) <= 100 * MIB, message);
    assert.match(message, /free [\d.]+ MiB \(\d+ bytes\) more below .*storage\/data\/\d+/);
    // The replicas have measured theirs, and count what they would give up.
    assert.match(message, /storage data of \S+ needs [^;]* to clone what is restored, and/);
    assert.deepEqual(await running(), before);
    await settled('base');
  });

  test('restores to a moment, asked on a replica, and every unit follows', async () => {
    await write('one');
    const moment = await now();
    await write('two');
    const replica = ((await primary()) + 1) % 3;
    const results = await succeed(`postgresql/${replica}`, 'restore', `restore-to-time=${moment}`);
    assert.equal(results['restore-status'], 'restore finished');
    await settled('base one');
    await model.active(['postgresql']);
  });

  test('goes on when the agent that leads the restore is killed', async () => {
    await write('three');
    const unit = `postgresql/${await primary()}`;
    const dir = unit.replace('/', '-');
    const restoring = act(unit, 'restore', 'restore-to-time=latest');
    await model.until('the restore at work', async () => jobOf(dir).length > 0 || undefined);
    await killAndWait(findProcesses(model.root, `unit-${dir}/pg/agent`, '--dir'));
    const { status, message } = await restoring;
    assert.equal(status, 'completed', message);
    await settled('base one three');
  });

  test('a unit that loses its power in its restore: the others go on, it comes back', async () => {
    const unit = await primary();
    // Only who is known to have confirmed everything may lead without it.
    await model.until('both replicas are synchronous', async () => {
      const patronictl = join(model.root, 'agents/unit-postgresql-0/pg/bin/patronictl');
      const list = await run(patronictl, ['list', '--format', 'json']).catch(() => undefined);
      return list?.stdout.match(/"Sync Standby"/g)?.length === 2 || undefined;
    });
    await model.pgcharm(`run postgresql/${unit} restore restore-to-time=latest --background`);
    // However fast it is, it stands still before anything is proven.
    await model.until('its old data aside', async () => {
      const job = jobOf(`postgresql-${unit}`);
      signalAll(job, 'SIGSTOP');
      if (job.length > 0 && (await aside())) return true;
      signalAll(job, 'SIGCONT');
      return undefined;
    });
    await model.pgcharm(`power-off postgresql/${unit}`);
    // Half a minute passes before the others give it up, and more on a busy machine.
    const another = async () => {
      const found = await primaryNow();
      return found === unit ? undefined : found;
    };
    const taken = await model.until('another primary', another);
    assert.equal(await facts(taken), 'base one three');
    await write('away');
    await model.pgcharm(`power-on postgresql/${unit}`);
    await settled('away base one three');
    await psql(await primary(), "DELETE FROM facts WHERE t = 'away'");
    await model.active(['postgresql']);
  });

  test('a restore that cannot succeed puts the old data back', async () => {
    await write('four');
    const archive = join(await objects(), 'archive/pgcharm.postgresql');
    await write('five');
    await succeed(`postgresql/${await primary()}`, 'create-backup');
    await psql(await primary(), 'SELECT pg_switch_wal()');
    await write('six');
    const segment = await psql(await primary(), 'SELECT pg_walfile_name(pg_current_wal_lsn())');
    const moment = await now();
    await write('seven');
    // That moment's segment, and whatever comes next, reaches the archive only to vanish from it.
    const vanishing = forever(async () => {
      for (const file of (await find(archive, '-type', 'f')).split('\n').filter(Boolean)) {
        const isLater = basename(file).slice(0, segment.length) >= segment;
        if (isLater && /^[0-9A-F]{24}-/.test(basename(file))) await rm(file, { force: true });
      }
    });
    try {
      const failed = await act('postgresql/1', 'restore', `restore-to-time=${moment}`);
      assert.equal(failed.status, 'failed');
      assert.match(failed.message ?? '', /the archive ends before that moment/);
    } finally {
      await vanishing.end();
    }
    await settled('base five four one seven six three');
    await model.active(['postgresql']);
  });

  test('restores a backup by its id', async () => {
    const { backups = '' } = await succeed('postgresql/0', 'list-backups');
    const rows = backups.split('\n').filter((line) => /full backup/.test(line));
    const first = rows[0]?.split(' ')[0] ?? '';
    await succeed('postgresql/0', 'restore', `backup-id=${first}`);
    await settled('base');
  });

  test('after clones, rewinds and restores temporary files still go to their storage', async () => {
    for (const unit of [0, 1, 2]) {
      const path = join(await psql(unit, 'SHOW data_directory'), 'base/pgsql_tmp');
      await model.until(`the link of ${unit}`, async () => {
        const place = await readlink(path).catch(() => '');
        return place.startsWith(join(model.root, 'storage/temp')) || undefined;
      });
    }
  });

  test('a repository of somebody else is refused', async () => {
    const mark = join(await objects(), 'model-uuid.txt._S3rver_object');
    const own = await readFile(mark, 'utf8');
    await writeFile(mark, 'somebody-else\n');
    const message = await refused(['restore-to-time=latest']);
    assert.match(message, /backups from another cluster/);
    await writeFile(mark, own);
  });

  test('a missing bucket is refused by name', async () => {
    const bucket = dirname(await objects());
    await rename(bucket, `${bucket}.away`);
    const message = await refused(['restore-to-time=latest']);
    assert.match(message, /no such bucket/);
    await rename(`${bucket}.away`, bucket);
  });

  test('a wrong credential is refused by name, and heals', async () => {
    const id = (await model.pgcharm('exec --unit object-store/0 relation-ids s3')).stdout.trim();
    const set = (text: string) =>
      model.pgcharm(['exec', '--unit', 'object-store/0', `relation-set -r ${id} --app ${text}`]);
    const said = async (pattern: RegExp) =>
      model.until(`status ${pattern}`, async () => {
        const all = Object.values(await model.units('postgresql'));
        const messages = all.map((unit) => unit['workload-status'].message ?? '');
        return messages.some((message) => pattern.test(message)) ? true : undefined;
      });
    await set('secret-key=wrong');
    await said(/failed to access\/create the bucket.*refuses the credentials/);
    assert.match(await refused(['restore-to-time=latest']), /refuses the credentials/);
    await model.pgcharm('config object-store port=9001');
    await model.active(['postgresql', 'object-store']);
    const { backups = '' } = await succeed('postgresql/0', 'list-backups');
    assert.match(backups, /full backup/);
  });

  test('without the relation nothing is archived and no key stays behind', async () => {
    await model.pgcharm('remove-relation postgresql:s3-parameters object-store:s3');
    await model.until('archiving is off', async () => {
      const command = await psql(await primary(), 'SHOW archive_command').catch(() => '');
      return command === '/bin/true' ? true : undefined;
    });
    await model.until('configurations are gone', async () => {
      const place = join(model.root, 'agents');
      const found = await find(place, '-name', 'pgbackrest.conf', '-path', '*/etc/*');
      return found === '' ? true : undefined;
    });
    await model.active(['postgresql']);
  });
});

/** Which jobs may run beside each other, and whose records stay. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { poll } from '../../../lib/std/clock.ts';
import { writeAtomic } from '../../../lib/std/files.ts';
import { streamLog } from '../../../lib/std/log.ts';
import { createJobs } from '../../../src/agent/jobs/engine.ts';
import { createJob, jobPaths } from '../../../src/agent/jobs/record.ts';
import type { Jobs } from '../../../src/agent/jobs-port.ts';
import type { AgentWorld, JobView } from '../../../src/charm/model/world.ts';

describe('jobs of a unit', () => {
  let dir: string;
  let jobs: Jobs;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgc-'));
  });
  afterEach(async () => {
    jobs.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 10 });
  });

  /** A job's program that ends at once and says nothing: it counts as about to begin. */
  async function open(): Promise<Jobs> {
    const runner = join(dir, 'runner.js');
    await writeFile(runner, '');
    const desired = () => undefined;
    const world = () => ({}) as AgentWorld;
    const log = streamLog({ write: () => true });
    return createJobs({ dir, desired, world, log, changed: () => undefined }, { runner });
  }

  test('one of two is refused that are asked for together and may not run together', async () => {
    jobs = await open();
    const asked = [jobs.start('backup', {}), jobs.start('restore', {}), jobs.start('list', {})];
    const answers = await Promise.allSettled(asked);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    await assert.rejects(asked[1] ?? Promise.resolve(), { code: 'job-running' });
  });

  test('a backup is remembered, however often the repository was looked at since', async () => {
    const ended = async (kind: JobView['kind'], startedAt: number) => {
      const id = `2026010${1 + Math.floor(startedAt / 100)}T0000${100 + startedAt}Z-${kind}`;
      await createJob(join(dir, 'jobs'), { id, kind, params: {}, startedAt });
      const outcome = { state: 'done', message: 'done', result: {}, endedAt: startedAt + 1 };
      await writeAtomic(jobPaths(join(dir, 'jobs'), id).outcome, JSON.stringify(outcome));
      return id;
    };
    const backups = [await ended('backup', 0), await ended('restore', 1)];
    const looks: string[] = [];
    for (let at = 2; at < 40; at += 1) looks.push(await ended('stanza', at));
    jobs = await open();
    const kept = await poll(
      async () => {
        const ids = jobs.list().map(({ id }) => id);
        return ids.length > 0 && !ids.includes(looks[0] ?? '') ? ids : undefined;
      },
      { timeoutMs: 40_000 },
    );
    assert.deepEqual(kept?.slice(0, 2), backups);
    assert.equal(kept?.at(-1), looks.at(-1));
  });
});

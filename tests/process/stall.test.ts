/** A program that stands still is ended with all that it has started; one that works never is. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { activityOf, commandLine, processTree } from '../../lib/machine/processes.ts';
import { poll } from '../../lib/std/clock.ts';
import { createPgBackRest } from '../../src/charm/workload/pgbackrest.ts';

const directory = await mkdtemp(join(tmpdir(), 'stall-'));
after(() => rm(directory, { recursive: true, force: true }));

/** Stands in for pgBackRest: a shell script that tells its own pid and its child's. */
async function standIn(name: string, body: string, quietMs = 3000) {
  const program = join(directory, name);
  const pids = join(directory, `${name}.pids`);
  await writeFile(program, `#!/bin/sh\n${body.replaceAll('PIDS', pids)}\n`);
  await chmod(program, 0o755);
  const pgbackrest = createPgBackRest({ config: '/none', stanza: 's', program, quietMs });
  const lines: string[] = [];
  const run = () => pgbackrest.backup('full', false, (line) => lines.push(line));
  const alive = async () => {
    const text = await readFile(pids, 'utf8');
    const all = text.trim().split(' ').map(Number);
    assert.equal(all.length, 2);
    return Promise.all(all.map(async (pid) => (await commandLine(pid)) !== undefined));
  };
  return { run, lines, alive };
}

describe('a standstill', { concurrency: true }, () => {
  test('ends the program and what it has started, and says what it said last', async () => {
    const it = await standIn('hang', 'echo copying; sleep 300 & echo $$ $! >PIDS; wait');
    await assert.rejects(it.run(), {
      code: 'pgbackrest-stalled',
      message: 'cannot run pgbackrest backup: nothing moved for 3.0s; its last words: copying',
    });
    assert.deepEqual(it.lines, ['copying']);
    assert.deepEqual(await it.alive(), [false, false]);
  });

  test('ends also what ignores being asked', async () => {
    const it = await standIn('deaf', "trap '' TERM; sleep 300 & echo $$ $! >PIDS; wait");
    await assert.rejects(it.run(), { code: 'pgbackrest-stalled' });
    assert.deepEqual(await it.alive(), [false, false]);
  });

  /** Waits without a program for it. */
  const pause = 'read -t 0.1 none <>PIDS.fifo';
  const label = 'echo new backup label = 20260101-000000F';
  const bash = (body: string) => `mkfifo PIDS.fifo; exec bash -c '${body}'`;

  test('is not hidden by signs of life to whoever does not answer', async () => {
    const body = `while :; do printf noop >/dev/null; ${pause}; done`;
    const it = await standIn('keepalive', bash(body));
    await assert.rejects(it.run(), { code: 'pgbackrest-stalled' });
  });

  test('is none when the whole machine stood still', async () => {
    const body = `echo $$; until [ -e PIDS.go ]; do ${pause}; done; ${label}`;
    const it = await standIn('paused', bash(body));
    const run = it.run();
    const pid = await poll(async () => it.lines[0], { timeoutMs: 60_000, everyMs: 500 });
    process.kill(Number(pid), 'SIGSTOP');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000); // Nor does this process.
    process.kill(Number(pid), 'SIGCONT');
    await writeFile(join(directory, 'paused.pids.go'), '');
    assert.equal(await run, '20260101-000000F');
  });

  const loop = (work: string) => `for n in {1..45}; do ${work}; ${pause}; done; ${label}`;
  const work = [
    ['reads', bash(loop('read -N 70000 x </dev/urandom'))],
    ['speaks', bash(loop('echo $n'))],
    ['starts programs', `for n in $(seq 45); do sleep 0.1; done; ${label}`],
  ] as const;
  for (const [name, body] of work) {
    // Longer in all than the quiet time, which is long enough for a machine that is busy.
    test(`is none as long as it ${name}`, async () => {
      const it = await standIn(name.slice(0, 5), body, 4000);
      assert.equal(await it.run(), '20260101-000000F');
    });
  }
});

test('a tree of processes is itself and its descendants, and its activity grows', async () => {
  const tree = await processTree(process.pid);
  assert.equal(tree[0], process.pid);
  assert.ok(!tree.includes(process.ppid));
  const before = await activityOf(tree);
  await readFile('/proc/self/stat');
  assert.ok((await activityOf(tree)) > before);
  assert.deepEqual(await processTree(2 ** 22 + 1), []);
});

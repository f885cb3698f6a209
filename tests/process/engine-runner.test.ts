/** How programs of a charm are run, charms unpacked, processes of a machine found. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ZipFile } from 'yazl';
import { endProcesses, processesOf } from '../../src/controller/machines/processes.ts';
import { unpackCharm } from '../../src/controller/runner/charm-files.ts';
import { findProgram } from '../../src/controller/runner/charm-program.ts';
import { MachineLocks } from '../../src/controller/runner/machine-locks.ts';
import { type Program, runProgram } from '../../src/controller/runner/process.ts';
import { endStale, startTimeOf } from '../../src/controller/runner/process-record.ts';

describe('on the host', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgc-'));
  });
  afterEach(async () => {
    await endProcesses([dir]);
    await rm(dir, { recursive: true, force: true });
  });

  function program(script: string, changes: Partial<Program> = {}): Program {
    const args = ['-c', script];
    return { file: '/bin/sh', args, cwd: dir, env: { A: 'b' }, onSpawn: () => {}, ...changes };
  }

  describe('a program of a charm', () => {
    test('is given its environment and nothing else, and no input', async () => {
      const env = { file: '/usr/bin/env', args: [], capture: true };
      const ended = await runProgram(program('', env));
      assert.equal(ended.stdout.toString(), 'A=b\n');
      const input = await runProgram(program('cat', { capture: true }));
      assert.deepEqual([input.code, input.stdout.length], [0, 0]);
    });

    test('hands its output on line by line, the last one too when it is not ended', async () => {
      const lines: string[] = [];
      const onLine = (stream: string, line: string) => lines.push(`${stream} ${line}`);
      await runProgram(program('echo one; echo two >&2; sleep 0.05; printf three', { onLine }));
      assert.deepEqual(lines.sort(), ['stderr two', 'stdout one', 'stdout three']);
    });

    test('is on record before it does anything', async () => {
      const file = join(dir, 'ran');
      let early = true;
      const onSpawn = () => {
        early = existsSync(file);
      };
      await runProgram(program('> ran', { onSpawn }));
      assert.equal(early, false);
      assert.ok(existsSync(file));
    });

    test('does not run when it cannot be put on record', async () => {
      const onSpawn = () => {
        throw new Error('no record');
      };
      await assert.rejects(runProgram(program('> ran', { onSpawn })), /no record/);
      assert.equal(existsSync(join(dir, 'ran')), false);
    });

    test('ends when it ends, whatever it leaves behind', async () => {
      const ended = await runProgram(program('sleep 300 & echo "$!"; exit 7', { capture: true }));
      assert.equal(ended.code, 7);
      const pid = Number(ended.stdout.toString());
      assert.notEqual(startTimeOf(pid), undefined);
      process.kill(pid, 'SIGKILL');
    });

    test('that a signal ended says which', async () => {
      const ended = await runProgram(program('kill -KILL $$'));
      assert.deepEqual([ended.code, ended.signal], [null, 'SIGKILL']);
    });
  });

  describe('a process on record', () => {
    test('is ended with its group, and only if it is the one that was recorded', async () => {
      const child = spawn('/bin/sh', ['-c', 'sleep 300 & wait'], { detached: true, cwd: dir });
      const pid = child.pid ?? 0;
      await once(child, 'spawn');
      const startTime = startTimeOf(pid) ?? '';
      assert.equal(await endStale({ pid, startTime: `${startTime}0`, contextId: '' }), false);
      assert.equal(startTimeOf(pid), startTime);
      assert.equal(await endStale({ pid, startTime, contextId: '' }), true);
      assert.deepEqual(processesOf([dir]), []);
    });
  });

  describe('the processes of a machine', () => {
    test('are those that work, are named, or hold a file open below its directories', async () => {
      const unit = join(dir, 'unit-a-1');
      await mkdir(unit);
      await mkdir(join(dir, 'unit-a-10'));
      await writeFile(join(unit, 'lock'), '');
      const options = { detached: true, stdio: 'ignore' } as const;
      const mine = [
        spawn('sleep', ['300'], { ...options, cwd: unit }),
        spawn('sh', ['-c', `sleep 300; : --config=${unit}/x`], { ...options, cwd: dir }),
        spawn('sh', ['-c', 'exec 3< lock; cd /; exec sleep 300'], { ...options, cwd: unit }),
      ];
      const other = spawn('sleep', ['300'], { ...options, cwd: join(dir, 'unit-a-10') });
      await Promise.all([...mine, other].map((child) => once(child, 'spawn')));
      const found = new Set(processesOf([unit]));
      for (const { pid } of mine) assert.ok(found.has(pid ?? 0));
      assert.equal(found.has(other.pid ?? 0), false);
      assert.equal(found.has(process.pid), false);
      await endProcesses([unit]);
      assert.deepEqual(processesOf([unit]), []);
      assert.notEqual(startTimeOf(other.pid ?? 0), undefined);
    });
  });

  describe('locks of machines', () => {
    test('are held by one at a time, in order; different names do not wait', async () => {
      const locks = new MachineLocks();
      const order: string[] = [];
      const first = await locks.acquire('machine-0');
      const waiting = locks.acquire('machine-0').then((unlock) => {
        order.push('second');
        unlock();
      });
      const other = await locks.acquire('machine-1');
      order.push('other');
      other();
      first();
      await waiting;
      assert.deepEqual(order, ['other', 'second']);
      (await locks.acquire('machine-0'))();
    });
  });

  describe('the program of an event', () => {
    test('is dispatch, else the legacy file, else nothing', async () => {
      assert.equal(await findProgram(dir, 'hooks/start'), undefined);
      await mkdir(join(dir, 'hooks'));
      await writeFile(join(dir, 'hooks', 'start'), '', { mode: 0o755 });
      assert.equal((await findProgram(dir, 'hooks/start'))?.file, join(dir, 'hooks', 'start'));
      await writeFile(join(dir, 'dispatch'), '', { mode: 0o755 });
      assert.equal((await findProgram(dir, 'hooks/start'))?.file, join(dir, 'dispatch'));
    });
  });

  describe('a charm archive', () => {
    interface Member {
      text: string;
      mode: number;
    }
    async function unpack(members: Record<string, Member>): Promise<void> {
      const zip = new ZipFile();
      for (const [name, { text, mode }] of Object.entries(members)) {
        zip.addBuffer(Buffer.from(text), name, { mode });
      }
      zip.end();
      const archive = join(dir, 'archive');
      await pipeline(zip.outputStream, createWriteStream(archive));
      const charmDir = join(dir, 'charm');
      await unpackCharm({ archive, charmDir, manifest: join(dir, 'files'), url: 'local:x-1' });
    }
    const file = (name: string) => join(dir, 'charm', name);

    test('keeps its modes; legacy hooks become executable', async () => {
      await unpack({
        dispatch: { text: '#!', mode: 0o100750 },
        'hooks/start': { text: '', mode: 0o100644 },
        'data/x': { text: 'x', mode: 0o100600 },
      });
      const modes = ['dispatch', 'hooks/start', 'data/x'].map((name) => statSync(file(name)).mode);
      assert.deepEqual(
        modes.map((mode) => mode & 0o777),
        [0o750, 0o755, 0o600],
      );
    });

    test('may hold links that stay inside', async () => {
      await unpack({
        'lib/x.so.1': { text: 'x', mode: 0o100644 },
        'lib/x.so': { text: 'x.so.1', mode: 0o120777 },
      });
      assert.ok(lstatSync(file('lib/x.so')).isSymbolicLink());
      assert.equal(readFileSync(file('lib/x.so'), 'utf8'), 'x');
    });

    for (const target of ['/etc/passwd', '../../outside', 'a/../../outside']) {
      test(`is refused with a link to ${target}`, async () => {
        await assert.rejects(unpack({ link: { text: target, mode: 0o120777 } }), {
          code: 'charm-unreadable',
        });
      });
    }

    test('replaces a file, not what a link in its place leads to', async () => {
      await mkdir(join(dir, 'charm'));
      await writeFile(join(dir, 'precious'), 'keep');
      await symlink(join(dir, 'precious'), file('x'));
      await unpack({ x: { text: 'new', mode: 0o100644 } });
      assert.equal(readFileSync(join(dir, 'precious'), 'utf8'), 'keep');
      assert.equal(readFileSync(file('x'), 'utf8'), 'new');
    });

    test('may have a directory where the last had a file, and the other way round', async () => {
      const text = { text: 'x', mode: 0o100644 };
      await unpack({ 'lib/a': text, data: text });
      await unpack({ lib: text, 'data/b': text });
      assert.equal(readFileSync(file('lib'), 'utf8'), 'x');
      assert.equal(readFileSync(file('data/b'), 'utf8'), 'x');
      await unpack({ 'lib/a': text, data: text });
      assert.equal(readFileSync(file('lib/a'), 'utf8'), 'x');
      assert.equal(readFileSync(file('data'), 'utf8'), 'x');
    });

    test('that is damaged says so', async () => {
      await writeFile(join(dir, 'archive'), 'no zip');
      const charmDir = join(dir, 'charm');
      const files = { archive: join(dir, 'archive'), charmDir, manifest: join(dir, 'files') };
      await assert.rejects(unpackCharm({ ...files, url: 'local:x-1' }), {
        code: 'charm-unreadable',
      });
    });
  });
});

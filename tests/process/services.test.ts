/** Real services under runit: one copy whatever is killed, and nothing left at the end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { commandLine, endProcessesOn } from '../../lib/machine/processes.ts';
import { runitServices } from '../../lib/machine/services.ts';
import { supervisorPid } from '../../lib/machine/supervisor.ts';
import { poll } from '../../lib/std/clock.ts';
import { findProcesses, killAndWait, rootsOf } from '../support/processes.ts';

describe('services', async () => {
  const root = await mkdtemp(join(tmpdir(), 'services-'));
  const directory = join(root, 'service');
  const services = runitServices({ directory, logs: join(root, 'log'), label: 'services-test' });
  const spec = { command: ['/bin/sleep', '98765'], env: { WORD: "it's" } };
  after(async () => {
    await services.shutdown(5000);
    // Loggers write for a moment longer.
    await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  const kill = async (pid: number) => {
    process.kill(pid, 'SIGKILL');
    await services.stopped('one', 5000);
  };
  const running = (not?: number) =>
    poll(
      async () => {
        const pid = (await services.state('one'))?.pid;
        return pid === not ? undefined : pid;
      },
      { timeoutMs: 15_000 },
    );

  test('a defined service is down until it is told, and stays down when it is told', async () => {
    await services.define('one', spec);
    await services.ensureSupervisor();
    assert.equal(await services.supervised(), true);
    assert.equal((await services.state('one'))?.running, false);
    await services.up('one');
    const pid = await running();
    assert.ok(pid !== undefined);
    // Its process is known as soon as it is certain, before it has become the program.
    const command = async () => {
      const words = await commandLine(pid);
      return words?.[0] === '/bin/sleep' ? words : undefined;
    };
    assert.deepEqual(await poll(command, { timeoutMs: 15_000 }), ['/bin/sleep', '98765']);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    assert.ok(environment.split('\0').includes("WORD=it's"));
    await services.down('one');
    assert.equal(await services.stopped('one', 15_000), true);
    assert.equal((await services.state('one'))?.wantedUp, false);
    await services.up('one');
    assert.ok((await running()) !== undefined);
  });

  test('a restart gives another process', async () => {
    const before = await running();
    await services.restart('one', 'SIGKILL');
    assert.ok((await running(before)) !== undefined);
  });

  test('a killed supervisor leaves the service alone, and the next one adopts it', async () => {
    const before = await running();
    const supervisor = await supervisorPid(directory);
    assert.ok(supervisor !== undefined);
    const supervisors = findProcesses(directory, 'runsvdir');
    await killAndWait(supervisors);
    assert.equal(await services.supervised(), false);
    assert.equal(await running(), before);
    await services.ensureSupervisor();
    assert.equal(await services.supervised(), true);
    assert.equal(await running(), before);
  });

  test('what is started once stays down when it ends, and runs on when it is told', async () => {
    await services.down('one');
    assert.equal(await services.stopped('one', 15_000), true);
    await services.once('one');
    const first = await running();
    assert.ok(first !== undefined);
    assert.equal((await services.state('one'))?.wantedUp, false);
    await kill(first);
    await services.once('one');
    const second = await running();
    assert.ok(second !== undefined && second !== first);
    await services.up('one');
    assert.equal((await services.state('one'))?.wantedUp, true);
    assert.equal(await running(), second);
    await kill(second);
    assert.ok((await running(second)) !== undefined);
  });

  test('what an earlier run left at work on the same path ends before the start', async () => {
    const path = join(root, 'data');
    // They wait for a word, and so end at the latest with this process.
    const at = (name: string, ...args: string[]) =>
      spawn('/bin/sh', ['-c', 'read word', ...args], {
        argv0: name,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
    const orphan = at('/usr/bin/clone', 'x', `--pgdata=${path}`);
    const others = [at('server', '-D', path), at('clone', '-D', `${path}2`)];
    const ended = once(orphan, 'exit');
    await services.define('one', { ...spec, orphans: { programs: ['clone', 'rewind'], path } });
    const before = await running();
    await services.restart('one', 'SIGKILL');
    await running(before);
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.deepEqual(
      others.map(({ exitCode, signalCode }) => exitCode ?? signalCode),
      [null, null],
    );
    const ends = others.map((child) => once(child, 'exit'));
    await endProcessesOn(path);
    others[1]?.kill('SIGKILL');
    await Promise.all(ends);
    assert.equal(others[0]?.signalCode, 'SIGKILL');
  });

  test('a second supervisor is not started beside the first', async () => {
    await services.ensureSupervisor();
    assert.equal(rootsOf(findProcesses(directory, 'runsvdir')).length, 1);
  });

  test('a removed service is gone with its process', async () => {
    const pid = await running();
    await services.remove('one', 5000);
    assert.equal(await services.state('one'), undefined);
    assert.ok(pid !== undefined && (await commandLine(pid)) === undefined);
  });
});

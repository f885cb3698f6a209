/** Real services under runit: one copy whatever is killed, and nothing left at the end. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { commandLine } from '../../lib/machine/processes.ts';
import { runitServices } from '../../lib/machine/services.ts';
import { supervisorPid } from '../../lib/machine/supervisor.ts';
import { poll } from '../../lib/std/clock.ts';
import { findProcesses, killAndWait } from '../support/processes.ts';

describe('services', async () => {
  const root = await mkdtemp(join(tmpdir(), 'services-'));
  const directory = join(root, 'service');
  const services = runitServices({ directory, logs: join(root, 'log'), label: 'services-test' });
  const spec = { command: ['/bin/sleep', '98765'], env: { WORD: "it's" } };
  after(async () => {
    await services.shutdown(5000);
    await rm(root, { recursive: true, force: true });
  });

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
    assert.deepEqual(await commandLine(pid), ['/bin/sleep', '98765']);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    assert.ok(environment.split('\0').includes("WORD=it's"));
    await services.down('one');
    assert.equal(await services.stopped('one', 5000), true);
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

  test('a second supervisor is not started beside the first', async () => {
    await services.ensureSupervisor();
    assert.equal(findProcesses(directory, 'runsvdir').length, 1);
  });

  test('a removed service is gone with its process', async () => {
    const pid = await running();
    await services.remove('one', 5000);
    assert.equal(await services.state('one'), undefined);
    assert.ok(pid !== undefined && (await commandLine(pid)) === undefined);
  });
});

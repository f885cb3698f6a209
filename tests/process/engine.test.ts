/** The engine with real processes: the order of events, failure, power, upgrade, removal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { streamLog } from '../../lib/std/log.ts';
import { Engine } from '../../src/controller/engine.ts';
import { processesOf } from '../../src/controller/machines/processes.ts';
import { forceUpgrade } from '../../src/controller/operations/resolved.ts';
import { EngineWorld } from '../support/engine-world.ts';

const START = ['install', 'peers-relation-created', 'leader-elected', 'config-changed', 'start'];

describe('engine', () => {
  let world: EngineWorld;
  let engine: Engine;
  let log: string[];

  beforeEach(async () => {
    world = await EngineWorld.make();
    log = [];
    const lines = streamLog({ write: (text: string) => log.push(text) });
    engine = new Engine({ store: world.store, root: world.root, log: lines });
    world.addApplication('a', await world.addCharm());
    await engine.start();
  });
  afterEach(async () => {
    await engine.stop();
    await world.remove();
    assert.deepEqual(
      log.filter((line) => line.includes(' ERROR ')),
      [],
    );
  });

  test('a new unit runs storage, install, created, leader, config, start', async () => {
    const unit = world.addUnit('a', ['data']);
    await world.untilIdle(unit);
    assert.deepEqual(await world.events(unit), ['data-storage-attached', ...START]);
    assert.equal(world.unit(unit)?.['workload_status'], 'unknown');
    assert.ok(existsSync(world.layout.storageDir('data/0')));
  });

  test('the environment of a hook holds what the contract names and nothing else', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    const text = readFileSync(join(world.layout.agentDir(unit), 'environment-install'), 'utf8');
    const toolsDir = world.layout.toolsDir(unit);
    const names = text.match(/^\w+(?==)/gm) ?? [];
    // The charm's own shell adds PWD.
    const expected = `
      CHARM_DIR CLOUD_API_VERSION JUJU_AGENT_SOCKET_ADDRESS JUJU_AGENT_SOCKET_NETWORK
      JUJU_API_ADDRESSES JUJU_AVAILABILITY_ZONE JUJU_CHARM_DIR JUJU_CHARM_FTP_PROXY
      JUJU_CHARM_HTTPS_PROXY JUJU_CHARM_HTTP_PROXY JUJU_CHARM_NO_PROXY JUJU_CONTEXT_ID
      JUJU_DISPATCH_PATH JUJU_HOOK_NAME JUJU_MACHINE_ID JUJU_MODEL_NAME JUJU_MODEL_UUID
      JUJU_PRINCIPAL_UNIT JUJU_UNIT_NAME JUJU_VERSION LANG PATH PGCHARM_HOOK_SOCKET PWD TERM`;
    const ubuntu = ['APT_LISTCHANGES_FRONTEND', 'DEBIAN_FRONTEND'];
    assert.deepEqual(
      names.filter((name) => !ubuntu.includes(name)).sort(),
      expected.trim().split(/\s+/).sort(),
    );
    assert.match(text, new RegExp(`^PATH=${toolsDir}:${world.layout.bin}:`, 'm'));
  });

  test('two units meet in their peer relation: joined, then changed', async () => {
    const [one, two] = [world.addUnit('a'), world.addUnit('a')];
    await world.until('both met', async () => {
      const all = [...(await world.events(one)), ...(await world.events(two))];
      return all.filter((event) => event.startsWith('peers-relation-changed')).length === 2;
    });
    const events = await world.events(one);
    assert.deepEqual(events.slice(events.indexOf('start') + 1), [
      `peers-relation-joined ${two}`,
      `peers-relation-changed ${two}`,
    ]);
    assert.equal((await world.events(two)).includes('leader-elected'), false);
  });

  test('a failed hook holds the unit until it is resolved, with or without a retry', async () => {
    const unit = world.addUnit('a');
    world.tell(unit, 'fail', 'config-changed');
    await world.until('the hook failed', () => world.unit(unit)?.['agent_status'] === 'error');
    assert.equal(world.unit(unit)?.['agent_message'], 'hook failed: "config-changed"');
    assert.equal((await world.events(unit)).at(-1), 'config-changed');
    resolve(world, unit, 'retry');
    await world.until('it ran again', async () => (await times(unit, 'config-changed')) === 2);
    await world.until('it failed again', () => world.operation(unit)?.['step'] === 'failed');
    resolve(world, unit, 'no-retry');
    await world.untilIdle(unit);
    assert.deepEqual((await world.events(unit)).slice(-2), ['config-changed', 'start']);
    assert.equal(await times(unit, 'config-changed'), 2);
  });

  test('an action runs while a hook has failed, and its output is kept', async () => {
    const unit = world.addUnit('a');
    world.tell(unit, 'fail', 'start');
    await world.until('the hook failed', () => world.unit(unit)?.['agent_status'] === 'error');
    const params = JSON.stringify({ command: 'printf out; printf "\\377" >&2; exit 4' });
    world.store.run(`INSERT INTO operation VALUES (1, 'exec', 0)`);
    world.store.run(
      `INSERT INTO task (id, operation_id, unit, action, params, enqueued)
       VALUES (2, 1, ?, 'juju-exec', ?, 0)`,
      unit,
      params,
    );
    await world.until('the task ended', () => task()?.status === 'failed');
    assert.deepEqual(JSON.parse(task()?.results ?? ''), {
      'return-code': 4,
      stdout: 'out',
      stderr: '/w==',
      'stderr-encoding': 'base64',
    });
    assert.equal(task()?.message, 'exit status 4');
    assert.equal(world.operation(unit)?.['step'], 'failed');
  });

  test('a running task can be cancelled and is aborted', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    world.tell(unit, 'hang', 'long');
    world.store.run(`INSERT INTO operation VALUES (1, 'long', 0)`);
    world.store.run(
      `INSERT INTO task (id, operation_id, unit, action, enqueued) VALUES (2, 1, ?, 'long', 0)`,
      unit,
    );
    await world.until('it runs', async () => (await world.events(unit)).includes('long'));
    assert.equal(engine.cancelTask(2), true);
    await world.until('it is aborted', () => task()?.status === 'aborted');
    assert.equal(engine.cancelTask(2), false);
  });

  test('a task that is cancelled before its program has begun is aborted too', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    world.tell(unit, 'hang', 'long');
    const cancelled: boolean[] = [];
    // As soon as it says that it runs, which is before it has a process.
    const unsubscribe = world.store.onChange(() => {
      if (task()?.status !== 'running') return;
      unsubscribe();
      queueMicrotask(() => cancelled.push(engine.cancelTask(2)));
    });
    world.store.run(`INSERT INTO operation VALUES (1, 'long', 0)`);
    world.store.run(
      `INSERT INTO task (id, operation_id, unit, action, enqueued) VALUES (2, 1, ?, 'long', 0)`,
      unit,
    );
    await world.until('it is aborted', () => task()?.status === 'aborted');
    assert.deepEqual(cancelled, [true]);
    assert.equal((await world.events(unit)).includes('long'), false);
  });

  test('commands of juju-exec run between hooks, with the environment of the unit', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    const answer = await engine.runExec(unit, 'echo "$JUJU_UNIT_NAME$JUJU_DISPATCH_PATH"; pwd');
    assert.deepEqual(answer, {
      code: 0,
      stdout: `${unit}\n${world.layout.charmDir(unit)}\n`,
      stderr: '',
    });
    assert.equal((await engine.runExec(unit, 'exit 9')).code, 9);
    assert.equal((await engine.runExec('a/99', 'true')).code, 1);
  });

  test('power-off ends everything on the machine, power-on gives the unit its start', async () => {
    const unit = world.addUnit('a');
    world.tell(unit, 'leave', 'start');
    await world.untilIdle(unit);
    const dirs = [world.layout.agentDir(unit)];
    assert.equal(processesOf(dirs).length, 1);
    assert.match(engine.isPoweredOff(unit).stderr, /machine 0 of a\/0 is on/);
    await engine.powerOff('0');
    assert.deepEqual(processesOf(dirs), []);
    assert.equal(engine.isPoweredOff(unit).code, 0);
    assert.equal(world.unit(unit)?.['agent_status'], 'lost');
    await engine.powerOn('0');
    await world.until('it started again', async () => (await times(unit, 'start')) === 2);
    await world.untilIdle(unit);
    assert.deepEqual(await world.events(unit), [...START, 'start']);
  });

  test('a machine on which something still runs is not off, nor is one of nobody', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    await engine.powerOff('0');
    const cwd = world.layout.agentDir(unit);
    const left = spawn('/bin/sleep', ['300'], { cwd, stdio: 'ignore' });
    await once(left, 'spawn');
    const { code, stderr } = engine.isPoweredOff(unit);
    assert.deepEqual([code, stderr], [1, 'ERROR machine 0 of a/0 is going off\n']);
    left.kill('SIGKILL');
    await once(left, 'exit');
    assert.equal(engine.isPoweredOff(unit).code, 0);
    assert.equal(engine.isPoweredOff('a/9').code, 1);
  });

  test('a refresh replaces the charm: old files go, new ones come, its own stay', async () => {
    const old = await world.addCharm({ files: { 'src/old': { text: '1' }, same: { text: '1' } } });
    world.addApplication('b', old);
    const unit = world.addUnit('b');
    await world.untilIdle(unit);
    await engine.runExec(unit, 'echo own > state; echo own > src/state');
    const files = { same: { text: '2' }, 'bin/new': { text: '3', mode: 0o750 } };
    const next = await world.addCharm({ files });
    world.store.run(
      `UPDATE application SET charm_id = ?, charm_modified = charm_modified + 1 WHERE name = 'b'`,
      next,
    );
    await world.until('upgraded', async () => (await times(unit, 'upgrade-charm')) === 1);
    await world.untilIdle(unit);
    assert.deepEqual((await world.events(unit)).slice(-2), ['upgrade-charm', 'config-changed']);
    const file = (name: string) => join(world.layout.charmDir(unit), name);
    assert.equal(existsSync(file('src/old')), false);
    assert.equal(readFileSync(file('same'), 'utf8'), '2');
    assert.equal(statSync(file('bin/new')).mode & 0o777, 0o750);
    assert.equal(readFileSync(file('src/state'), 'utf8'), 'own\n');
    assert.equal(readFileSync(file('.juju-charm'), 'utf8'), `local:tiny-${next}\n`);
  });

  test('a forced refresh mends a unit in error: its hook runs with the new charm', async () => {
    const unit = world.addUnit('a');
    world.tell(unit, 'fail', 'start');
    await world.until('the hook failed', () => world.operation(unit)?.['step'] === 'failed');
    const text = '#!/bin/sh\necho "mended $JUJU_DISPATCH_PATH" >> ../events\n';
    const charm = await world.addCharm({ files: { dispatch: { text, mode: 0o755 } } });
    world.store.tx(() => {
      world.store.run('UPDATE application SET charm_id = ?', charm);
      forceUpgrade(world.store, 'a');
    });
    await world.untilIdle(unit);
    assert.deepEqual((await world.events(unit)).slice(-2), ['start', 'mended hooks/start']);
    assert.equal(world.unit(unit)?.['charm_id'], charm);
  });

  test('a removed unit departs, stops, takes machine, processes and files along', async () => {
    const [one, two] = [world.addUnit('a', ['data']), world.addUnit('a')];
    await world.until('both met', async () => (await world.events(two)).length >= 6);
    await world.untilIdle(one, two);
    world.tell(one, 'leave', 'stop');
    const seen: string[] = [];
    const unsubscribe = world.store.onChange(() => {
      const message = String(world.unit(one)?.['agent_message'] ?? '');
      if (message !== '' && seen.at(-1) !== message) seen.push(message);
    });
    world.store.run(`UPDATE unit SET life = 'dying' WHERE name = ?`, one);
    await world.until('the unit is gone', () => world.unit(one) === undefined);
    unsubscribe();
    assert.deepEqual(seen, [
      'running data-storage-detaching hook',
      `running peers-relation-departed hook for ${two}`,
      'running stop hook',
      'running remove hook',
    ]);
    assert.equal(existsSync(world.layout.agentDir(one)), false);
    assert.deepEqual(processesOf([world.layout.agentDir(one)]), []);
    assert.equal(world.store.get(`SELECT 1 FROM machine WHERE id = '0'`), undefined);
    // The instance is detached, not destroyed.
    assert.ok(existsSync(world.layout.storageDir('data/0')));
    await world.until('the other leads', async () => (await times(two, 'leader-elected')) === 1);
    assert.ok((await world.events(two)).includes(`peers-relation-departed ${one}`));
  });

  test('by force, errors and a machine without power do not keep a unit', async () => {
    const [one, two] = [world.addUnit('a'), world.addUnit('a')];
    world.tell(one, 'fail', 'start');
    await world.until('one failed', () => world.unit(one)?.['agent_status'] === 'error');
    await world.until('two started', () => world.unit(two)?.['started'] === 1);
    await engine.powerOff('1');
    world.store.run(`UPDATE unit SET life = 'dying', force_removal = 1`);
    await world.until('both are gone', () => world.store.get('SELECT 1 FROM unit') === undefined);
    world.store.run(`UPDATE application SET life = 'dying'`);
    await world.until('the application is gone', () => {
      return world.store.get('SELECT 1 FROM application') === undefined;
    });
    assert.equal(world.store.get('SELECT 1 FROM relation'), undefined);
  });

  async function times(unit: string, event: string): Promise<number> {
    return (await world.events(unit)).filter((line) => line === event).length;
  }

  function task(): { status: string; message: string; results: string } | undefined {
    return world.store.get('SELECT status, message, results FROM task WHERE id = 2');
  }
});

function resolve(world: EngineWorld, unit: string, how: 'retry' | 'no-retry'): void {
  const operation = JSON.stringify({ ...world.operation(unit), resolve: how });
  world.store.run('UPDATE unit SET operation = ? WHERE name = ?', operation, unit);
}

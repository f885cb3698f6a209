/** The controller dies without warning; the next one goes on where it was. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { startTimeOf } from '../../src/controller/runner/process-record.ts';
import { EngineWorld } from '../support/engine-world.ts';
import { projectRoot } from '../support/source-tree.ts';

const START = ['install', 'peers-relation-created', 'leader-elected', 'config-changed', 'start'];

describe('a controller that is killed', () => {
  let world: EngineWorld;
  let unit: string;
  let daemon: ChildProcess;

  beforeEach(async () => {
    world = await EngineWorld.make();
    world.addApplication('a', await world.addCharm());
    unit = world.addUnit('a');
  });
  afterEach(async () => {
    await kill(daemon);
    await world.remove();
  });

  test('mid-hook: the old process is ended, the hook fails and runs again at once', async () => {
    world.tell(unit, 'hang', 'config-changed');
    daemon = await startDaemon(world.root);
    await world.until('it hangs', () => world.hangs(unit, 'config-changed'));
    const { pid } = JSON.parse(String(world.unit(unit)?.['process'])) as { pid: number };
    await kill(daemon);
    assert.notEqual(startTimeOf(pid), undefined); // The hook outlives the controller ...
    daemon = await startDaemon(world.root);
    await world.untilIdle(unit);
    assert.equal(startTimeOf(pid), undefined); // ... but not the arrival of the next.
    const events = await world.events(unit);
    assert.deepEqual(events, [...START.slice(0, 4), 'config-changed', 'start']);
    assert.equal(world.operation(unit), null);
  });

  test('mid-action: the action has failed and is not run again', async () => {
    world.tell(unit, 'hang', 'long');
    daemon = await startDaemon(world.root);
    await world.untilIdle(unit);
    enqueue(world, unit, 'long');
    daemon.kill('SIGUSR2');
    await world.until('it runs', async () => (await world.events(unit)).includes('long'));
    await kill(daemon);
    daemon = await startDaemon(world.root);
    await world.untilIdle(unit);
    const expected = { status: 'failed', message: 'action terminated' };
    assert.deepEqual({ ...taskStatus(world) }, expected);
    assert.deepEqual(await world.events(unit), [...START, 'long']);
  });

  test('between any two hooks: every event is seen, in order, and none twice', async () => {
    world.addUnit('a');
    for (let round = 0; round < 12; round += 1) {
      daemon = await startDaemon(world.root);
      await kill(daemon);
    }
    daemon = await startDaemon(world.root);
    await world.until('both met', async () =>
      (await world.events(unit)).includes('peers-relation-changed a/1'),
    );
    await world.untilIdle(unit, 'a/1');
    const events = await world.events(unit);
    // A hook that was under way runs again; leaving repeats out, the order is the usual one.
    const once = events.filter((event, at) => event !== events[at - 1]);
    assert.deepEqual(once, [...START, 'peers-relation-joined a/1', 'peers-relation-changed a/1']);
  });

  test('what a start left running is adopted, and not started again', async () => {
    world.tell(unit, 'leave', 'start');
    daemon = await startDaemon(world.root);
    await world.untilIdle(unit);
    await kill(daemon);
    daemon = await startDaemon(world.root);
    enqueue(world, unit, 'later');
    daemon.kill('SIGUSR2');
    await world.until('it is served', () => taskStatus(world)?.status === 'completed');
    assert.deepEqual(await world.events(unit), [...START, 'later']);
  });

  test('ended in good order, it lets the hook that runs come to its end', async () => {
    daemon = await startDaemon(world.root);
    await world.until('it is under way', async () => (await world.events(unit)).length > 0);
    daemon.kill('SIGTERM');
    const [code] = (await once(daemon, 'exit')) as [number | null];
    assert.equal(code, 0);
    assert.notEqual(world.operation(unit)?.['step'], 'pending');
  });
});

function enqueue(world: EngineWorld, unit: string, action: string): void {
  world.store.run(`INSERT INTO operation VALUES (1, '', 0)`);
  world.store.run(
    'INSERT INTO task (id, operation_id, unit, action, enqueued) VALUES (2, 1, ?, ?, 0)',
    unit,
    action,
  );
}

function taskStatus(world: EngineWorld): { status: string; message: string } | undefined {
  return world.store.get('SELECT status, message FROM task WHERE id = 2');
}

async function startDaemon(root: string): Promise<ChildProcess> {
  const program = join(projectRoot, 'tests', 'support', 'engine-daemon.ts');
  const child = spawn(process.execPath, [program, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

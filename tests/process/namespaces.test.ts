/** What a machine sees of the installation when it is isolated, and when that place ends. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { streamLog } from '../../lib/std/log.ts';
import { Engine } from '../../src/controller/engine.ts';
import { processIds } from '../../src/controller/runner/process-record.ts';
import { EngineWorld } from '../support/engine-world.ts';

const skip = process.getuid?.() === 0 ? false : 'mount namespaces need root';

describe('a machine that is isolated', { skip }, () => {
  let world: EngineWorld;
  let engine: Engine;
  let one: string;
  let two: string;

  beforeEach(async () => {
    world = await EngineWorld.make();
    world.store.run(`INSERT INTO model_config VALUES ('machine-isolation', 'mounts')`);
    world.addApplication('a', await world.addCharm());
    engine = newEngine();
    await engine.start();
    [one, two] = [world.addUnit('a', ['data']), world.addUnit('a', ['data'])];
    await world.untilIdle(one, two);
  });
  afterEach(async () => {
    await engine.stop();
    await world.remove();
  });

  const newEngine = () =>
    new Engine({ store: world.store, root: world.root, log: streamLog({ write() {} }) });
  const see = async (unit: string, command: string): Promise<string> => {
    const { code, stdout, stderr } = await engine.runExec(unit, command);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const listed = async (unit: string, path: string) =>
    (await see(unit, `ls '${join(world.root, path)}'`)).trim().split('\n');
  const place = (unit: string) => see(unit, 'readlink /proc/$$/ns/mnt');
  /** Ids of the processes that hold namespaces of this installation. */
  const holders = () =>
    processIds().filter((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return text.split('\0').some((entry) => entry.startsWith(`PGCHARM_MACHINE=${world.root} `));
      } catch {
        return false;
      }
    });

  test('has its own units, tools and storage; the host sees all', async () => {
    assert.deepEqual(await listed(one, ''), ['agents', 'bin', 'storage', 'tools']);
    assert.deepEqual(await listed(one, 'agents'), ['unit-a-0']);
    assert.deepEqual(await listed(one, 'tools'), ['unit-a-0']);
    assert.deepEqual(await listed(one, 'storage/data'), ['0']);
    assert.deepEqual(await listed(two, 'agents'), ['unit-a-1']);
    assert.ok(existsSync(world.layout.agentDir(two)));
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    assert.ok(!mounts.includes(world.root), mounts);
  });

  test('cannot write beside its own, and what it writes there is on the host', async () => {
    const { code, stderr } = await engine.runExec(one, `touch '${world.root}/agents/x'`);
    assert.notEqual(code, 0);
    assert.match(stderr, /Read-only file system/);
    await see(one, `echo kept > '${world.layout.storageDir('data/0')}/file'`);
    assert.equal(readFileSync(join(world.layout.storageDir('data/0'), 'file'), 'utf8'), 'kept\n');
  });

  test('is one place for all its programs, and another than its neighbours’', async () => {
    const [first, again, other] = [await place(one), await place(one), await place(two)];
    assert.equal(first, again);
    assert.notEqual(first, other);
    assert.notEqual(first.trim(), readlinkSync('/proc/self/ns/mnt'));
  });

  test('stays the same place for the next controller', async () => {
    const before = await place(one);
    await engine.stop();
    engine = newEngine();
    await engine.start();
    assert.equal(await place(one), before);
    assert.equal(holders().length, 2);
  });

  test('is made anew, alike, when the process that holds it dies', async () => {
    const before = holders();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await world.until('they are gone', () => !holders().some((pid) => before.includes(pid)));
    assert.deepEqual(await listed(one, 'agents'), ['unit-a-0']);
    // Of this machine; the other's is made when it is needed.
    assert.equal(holders().length, 1);
  });

  test('gains the storage that it gets, and loses what it loses', async () => {
    const location = world.layout.storageDir('data/7');
    mkdirSync(location);
    world.store.run(
      `INSERT INTO storage (id, name, kind, application, unit, machine_id, location, size_mib,
       created, attached) VALUES ('data/7', 'data', 'filesystem', 'a', ?, '0', ?, 1, 0, 1)`,
      one,
      location,
    );
    assert.deepEqual(await listed(one, 'storage/data'), ['0', '7']);
    world.store.run(`DELETE FROM storage WHERE id = 'data/7'`);
    rmSync(location, { recursive: true });
    assert.deepEqual(await listed(one, 'storage/data'), ['0']);
    assert.deepEqual(await listed(two, 'storage/data'), ['1']);
  });

  test('ends with its power and with its last unit', async () => {
    assert.equal(holders().length, 2);
    await engine.powerOff('0');
    assert.equal(holders().length, 1);
    world.store.run(`UPDATE unit SET life = 'dying' WHERE name = ?`, two);
    await world.until('the unit is gone', () => world.unit(two) === undefined);
    await world.until('nothing holds its place', () => holders().length === 0);
  });

  test('ends when machines are no longer isolated', async () => {
    world.store.run(`UPDATE model_config SET value = 'none' WHERE key = 'machine-isolation'`);
    await world.until('nothing holds a place', () => holders().length === 0);
    assert.equal((await place(one)).trim(), readlinkSync('/proc/self/ns/mnt'));
  });
});

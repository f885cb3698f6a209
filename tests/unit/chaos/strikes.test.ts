/** What faults do to real processes, and that whatever was taken is given back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { Cluster } from '../../../src/chaos/cluster.ts';
import type { Process } from '../../../src/chaos/model.ts';
import {
  cut,
  etcd,
  fillDisk,
  freeze,
  kill,
  NotHere,
  powerOff,
} from '../../../src/chaos/strikes.ts';
import { Undo } from '../../../src/chaos/undo.ts';
import { aModel } from './model.ts';

/** A process that a census takes for the etcd of a unit. */
async function anEtcd(
  it: TestContext,
  unit = 'pg/0',
): Promise<{ child: ChildProcess; found: Process }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  it.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const base = `/d/agents/${unit.replace('/', '-')}/pg`;
  const command = `/usr/bin/etcd --config-file ${base}/etc/etcd.yaml`;
  return {
    child,
    found: { pid, parent: process.pid, started: fieldOf(pid, 19), command, cwd: '/' },
  };
}

/** A field of proc(5), counted from the state on. */
function fieldOf(pid: number, at: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[at] ?? '';
}

/** A signal takes effect when the process is scheduled next. */
async function reaches(pid: number, state: string): Promise<void> {
  const probe = async () => (fieldOf(pid, 0) === state ? true : undefined);
  assert.ok(await poll(probe, { timeoutMs: 30_000, everyMs: 10 }), `${pid} is not ${state}`);
}

function sceneOf(processes: (target: string) => Process[], switched: string[] = []) {
  const cluster = new Cluster(aModel({ units: 3, processes, switched }), 'pg');
  return { cluster, undo: new Undo() };
}

describe('kill', () => {
  test('ends what was chosen, on all units at once', async (it) => {
    const all = [await anEtcd(it, 'pg/0'), await anEtcd(it, 'pg/1')];
    const ends = all.map(({ child }) => once(child, 'exit'));
    await kill(etcd)(
      sceneOf(() => all.map(({ found }) => found)),
      ['pg/0', 'pg/1'],
    );
    assert.deepEqual(await Promise.all(ends), [
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
  });

  test('leaves another process that got the number alone', async (it) => {
    const { child, found } = await anEtcd(it);
    await kill(etcd)(
      sceneOf(() => [{ ...found, started: '1' }]),
      ['pg/0'],
    );
    await reaches(found.pid, 'S');
    assert.equal(child.signalCode, null);
  });

  test('is skipped where nothing of the kind runs', async () => {
    await assert.rejects(
      kill(etcd)(
        sceneOf(() => []),
        ['pg/0'],
      ),
      NotHere,
    );
  });
});

test('what is frozen stands still until it is given back', async (it) => {
  const { found } = await anEtcd(it);
  const scene = sceneOf(() => [found]);
  await freeze(etcd)(scene, ['pg/0']);
  await reaches(found.pid, 'T');
  await scene.undo.all();
  await reaches(found.pid, 'S');
});

test('power that was on its way out comes back, also when one machine refuses to go', async () => {
  const switched: string[] = [];
  const scene = sceneOf(() => [], switched);
  const { power } = scene.cluster.model;
  scene.cluster.model.power = async (unit, on) => {
    if (unit === 'pg/1' && !on) throw new Error('no such switch');
    await power(unit, on);
  };
  await assert.rejects(powerOff(scene, ['pg/0', 'pg/1']), /no such switch/);
  await scene.undo.all();
  assert.deepEqual(switched, ['off pg/0', 'on pg/1', 'on pg/0']);
});

describe('cut', () => {
  test('leaves the others in touch with each other, and is mended', async () => {
    const switched: string[] = [];
    const scene = sceneOf(() => [], switched);
    await cut('units', 'in')(scene, ['pg/1']);
    await cut('all')(scene, ['pg/0']);
    await scene.undo.all();
    assert.deepEqual(switched, [
      'cut pg/1 in pg/0,pg/2',
      'cut pg/0 both',
      'mend pg/0',
      'mend pg/1',
    ]);
  });

  test('is skipped where machines have no links, and nothing is to be mended', async () => {
    const uncut = new OperatorError({ code: 'machine-has-no-link', message: 'cannot cut it' });
    const cluster = new Cluster(aModel({ units: 3, uncut }), 'pg');
    const undo = new Undo();
    await assert.rejects(cut('all')({ cluster, undo }, ['pg/1']), NotHere);
    await undo.all();
  });
});

test('a disk that belongs to the host is not filled', async () => {
  const scene = sceneOf(() => []);
  const units = await scene.cluster.units();
  scene.cluster.model.units = async () =>
    units.map((unit) => ({ ...unit, storage: { data: '/' } }));
  scene.cluster.model.directory = async () => '/';
  await assert.rejects(fillDisk(scene, ['pg/0']), NotHere);
});

describe('an undo', () => {
  test('gives back the last first, tries again, and only once when it worked', async () => {
    const undo = new Undo();
    const given: string[] = [];
    undo.note('first', async () => void given.push('first'));
    undo.note('second', async () => {
      given.push('second');
      if (given.length === 1) throw new Error('not now');
    });
    await undo.all();
    await undo.all();
    assert.deepEqual(given, ['second', 'second', 'first']);
  });

  test('goes on after what cannot be given back, and names it', async () => {
    const undo = new Undo();
    let given = false;
    undo.note('power on pg/0', async () => {
      given = true;
    });
    undo.note('let pg/1 go on', async () => {
      throw new Error('it is gone');
    });
    const refusal = { code: 'fault-stays', message: 'cannot let pg/1 go on (it is gone)' };
    await assert.rejects(undo.all(), refusal);
    assert.equal(given, true);
  });
});

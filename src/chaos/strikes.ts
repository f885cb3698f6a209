/**
 * What faults do to units: kill, stop, take the power, remove keys, fill disks. Whatever has to be
 * given back is noted before it is taken.
 */
import { execFile } from 'node:child_process';
import { rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import { type Census, everyoneOf } from './census.ts';
import type { Cluster } from './cluster.ts';
import type { Cut, Process } from './model.ts';
import { killAll, signalAll } from './signals.ts';
import type { Undo } from './undo.ts';

export interface Scene {
  readonly cluster: Cluster;
  readonly undo: Undo;
}

/** @param units names of those that are struck, all at once; none for what has no unit */
export type Strike = (scene: Scene, units: readonly string[]) => Promise<void>;

type Choice = (census: Census) => readonly Process[];

/** A fault that this model cannot have: it is skipped and the report says why. */
export class NotHere extends Error {
  override readonly name = 'NotHere';
}

export const postmaster: Choice = (census) => census.postmaster;
export const patroni: Choice = ({ services }) => services.patroni;
export const database: Choice = ({ services, postmaster: server }) => [
  ...services.patroni,
  ...server,
];
export const etcd: Choice = ({ services }) => services.etcd;
export const pgbouncer: Choice = ({ services }) => services.pgbouncer;
export const agent: Choice = ({ services }) => services.agent;
export const postgresql: Choice = ({ postmaster: server, backends }) => [...server, ...backends];
export const everyone: Choice = (census) => [
  // A copy that waits for the lock of a service would take its place at once.
  ...census.starting,
  ...everyoneOf(census),
  ...census.backends,
];
export const supervisor: Choice = (census) => census.supervisor;
/** Of those services that run on every unit. */
export const supervisors: Choice = ({ runsv }) =>
  ['patroni', 'pgbouncer', 'agent', 'etcd'].flatMap((name) => runsv[name] ?? []);

export function kill(choose: Choice): Strike {
  return async ({ cluster }, units) => {
    const victims = await chosenOf(cluster, units, choose);
    refuseNone(victims, units);
    await killAll(victims);
  };
}

export const killController: Strike = async ({ cluster: { model } }) => {
  await killAll(await model.processes('controller'));
};

/** Stops them (SIGSTOP), until the undo lets them go on. */
export function freeze(choose: Choice): Strike {
  return async ({ cluster, undo }, units) => {
    const stopped = new Map<string, Process>();
    undo.note(`let ${units.join(', ')} go on`, () => signalAll([...stopped.values()], 'SIGCONT'));
    for (let round = 0; round < FREEZE_ROUNDS; round += 1) {
      const found = await chosenOf(cluster, units, choose);
      if (round === 0) refuseNone(found, units);
      const fresh = found.filter((each) => !stopped.has(identity(each)));
      if (fresh.length === 0) return;
      for (const each of fresh) stopped.set(identity(each), each);
      await signalAll(fresh, 'SIGSTOP');
    }
  };
}

/** A server may have started another process just before it was stopped. */
const FREEZE_ROUNDS = 5;

function identity({ pid, started }: Process): string {
  return `${pid}/${started}`;
}

export const powerOff: Strike = async ({ cluster: { model }, undo }, units) => {
  for (const unit of units) undo.note(`power on ${unit}`, () => model.power(unit, true));
  await Promise.all(units.map((unit) => model.power(unit, false)));
};

/** @param whom everybody with the clients, or only the other units */
export function cut(whom: 'all' | 'units', direction: Cut['direction'] = 'both'): Strike {
  return async ({ cluster, undo }, units) => {
    const others = (await cluster.names()).filter((name) => !units.includes(name));
    for (const unit of units) {
      const from = whom === 'all' ? [] : others;
      await cutOff({ cluster, undo }, unit, { from, direction });
    }
  };
}

async function cutOff({ cluster: { model }, undo }: Scene, unit: string, how: Cut): Promise<void> {
  let impossible = false;
  undo.note(`mend the links of ${unit}`, async () => {
    if (!impossible) await model.mend(unit);
  });
  try {
    await model.cut(unit, how);
  } catch (error) {
    impossible = error instanceof OperatorError && error.code === 'machine-has-no-link';
    throw impossible ? new NotHere(messageOf(error)) : error;
  }
}

/** Removes a key that Patroni keeps in etcd, or all of them with ``. */
export function wipe(key: string): Strike {
  return async ({ cluster }) => {
    const place = `/db/${cluster.application}/${key}`;
    const unit = await cluster.etcdLeader();
    const words = key === '' ? `--prefix ${place}` : place;
    const { ok, output } = await cluster.shell(unit, `etcdctl del ${words}`);
    if (ok) return;
    throw new OperatorError({
      code: 'etcd-refuses',
      message: `cannot remove ${place} from etcd: ${output}`,
      retry: 'now',
    });
  };
}

/** Only where the unit's storage has a disk of its own: another one would fill the whole host's. */
export const fillDisk: Strike = async ({ cluster, undo }, units) => {
  for (const unit of units) {
    const { storage } = await cluster.unit(unit);
    const home = (await stat(await cluster.model.directory(unit))).dev;
    for (const [name, location] of Object.entries(storage)) {
      const { dev } = await stat(location);
      if (dev === home) throw new NotHere(`storage ${name} of ${unit} has no disk of its own`);
    }
    for (const location of Object.values(storage)) await fill(location, undo);
  }
};

async function fill(location: string, undo: Undo): Promise<void> {
  const ballast = join(location, 'chaos.ballast');
  undo.note(`remove ${ballast}`, () => rm(ballast, { force: true }));
  let offset = 0;
  for (let round = 1; ; round += 1) {
    const { bavail, bsize } = await statfs(location);
    if (bavail === 0) return; // Another storage on the same disk may have filled it.
    const length = bavail * bsize;
    const words = ['--offset', String(offset), '--length', String(length), ballast];
    try {
      await promisify(execFile)('fallocate', words);
      offset += length;
    } catch (error) {
      // The servers write meanwhile, and have taken a part of it.
      if (round >= FILL_ROUNDS) throw error;
    }
  }
}

const FILL_ROUNDS = 10;

async function chosenOf(
  cluster: Cluster,
  units: readonly string[],
  choose: Choice,
): Promise<Process[]> {
  const chosen = await Promise.all(units.map(async (unit) => choose(await cluster.census(unit))));
  return chosen.flat();
}

/** One of several units may have none: not every unit is a voter of etcd. */
function refuseNone(found: readonly Process[], units: readonly string[]): void {
  if (found.length === 0) throw new NotHere(`nothing of the kind runs on ${units.join(', ')}`);
}

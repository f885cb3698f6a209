/**
 * The charm's own decisions under disorder: units crash, leave, join and hear late, leadership and
 * power come and go. What must never be never is, and once calm returns the cluster is whole.
 *
 * `PGCHARM_SIM_SEED=17` replays one seed and prints all that happens, `PGCHARM_SIM_SEEDS=5000` runs
 * more of them.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Disorder } from './cluster-disorder.ts';
import { ClusterWorld } from './cluster-world.ts';
import { generator } from './generator.ts';

const STEPS = 45;
const ROUNDS = 120;
const GROUP = 20;
const only = process.env['PGCHARM_SIM_SEED'];
const count = Number(process.env['PGCHARM_SIM_SEEDS'] ?? '200');

async function run(seed: number): Promise<ClusterWorld> {
  const world = new ClusterWorld(generator(seed));
  try {
    const disorder = new Disorder(world);
    const units = 1 + world.below(4);
    for (let n = 0; n < units; n++) world.addUnit();
    // Most clusters are whole before anything happens to them; some never get that far.
    if (world.chance(0.7)) await disorder.settle(ROUNDS);
    world.calm = false;
    for (let step = 0; step < STEPS; step++) await disorder.step();
    await disorder.settle(ROUNDS);
  } catch (error) {
    const last = only === undefined ? world.log.slice(-30) : world.log;
    assert.fail(`seed ${seed}; replay with PGCHARM_SIM_SEED=${seed}\n${last.join('\n')}\n${error}`);
  }
  return world;
}

describe('a cluster under disorder', () => {
  if (only !== undefined) {
    test(`seed ${only}`, async (t) => {
      const world = await run(Number(only));
      t.diagnostic(world.log.join('\n'));
    });
    return;
  }
  for (let first = 1; first <= count; first += GROUP) {
    const last = Math.min(first + GROUP - 1, count);
    test(`seeds ${first} to ${last}`, async () => {
      let happened = 0;
      for (let seed = first; seed <= last; seed++) {
        const { log, identifiers } = await run(seed);
        assert.ok(identifiers.size > 0, `seed ${seed} has made no database`);
        happened += log.length;
      }
      assert.ok(happened > (last - first + 1) * 50, 'too little has happened');
    });
  }
});

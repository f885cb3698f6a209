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
import { onlySeed, playSeed } from './replay.ts';

const STEPS = 45;
const ROUNDS = 120;
const GROUP = 20;
const count = Number(process.env['PGCHARM_SIM_SEEDS'] ?? '200');

const run = (seed: number) =>
  playSeed(seed, async (world) => {
    const disorder = new Disorder(world);
    const units = 1 + world.below(4);
    for (let n = 0; n < units; n++) world.addUnit();
    // Most clusters are whole before anything happens to them; some never get that far.
    if (world.chance(0.7)) await disorder.settle(ROUNDS);
    world.calm = false;
    for (let step = 0; step < STEPS; step++) await disorder.step();
    await disorder.settle(ROUNDS);
  });

describe('a cluster under disorder', () => {
  if (onlySeed !== undefined) {
    test(`seed ${onlySeed}`, async (t) => {
      const world = await run(Number(onlySeed));
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

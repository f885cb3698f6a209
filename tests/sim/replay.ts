/**
 * Seeds of the simulated cluster: which are played, and what a failure tells for playing it again.
 */
import assert from 'node:assert/strict';
import { ClusterWorld } from './cluster-world.ts';
import { generator } from './generator.ts';

/** The one seed that is wanted, `PGCHARM_SIM_SEED`; all that happens is told then. */
export const onlySeed = process.env['PGCHARM_SIM_SEED'];

/** @throws AssertionError with the seed and the last that happened */
export async function playSeed(
  seed: number,
  play: (world: ClusterWorld) => Promise<void>,
): Promise<ClusterWorld> {
  const world = new ClusterWorld(generator(seed));
  try {
    await play(world);
  } catch (error) {
    const last = onlySeed === undefined ? world.log.slice(-30) : world.log;
    assert.fail(`seed ${seed}; replay with PGCHARM_SIM_SEED=${seed}\n${last.join('\n')}\n${error}`);
  }
  return world;
}

/**
 * A fenced failover under disorder: whatever the fence command says, no acknowledged row is lost
 * and no two primaries acknowledge; when it is honest, nobody who lives loses its lease. That each
 * safeguard is needed is shown by leaving it out.
 *
 * `PGCHARM_SIM_SEED=17` replays one seed and prints all that happens, `PGCHARM_SIM_SEEDS=5000` runs
 * more of them.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FenceWorld, type Rules, Violation } from './fence-world.ts';
import { generator } from './generator.ts';

const STEPS_PER_UNIT = 600;
const SEEDS = Number(process.env['PGCHARM_SIM_SEEDS'] ?? '60');
const MANY_SEEDS = 1000;
const only = process.env['PGCHARM_SIM_SEED'];
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, n) => n + 1) : [Number(only)];
const SAFE: Rules = { units: 3, honest: true, strict: true, guarded: true, revokes: false };

function run(seed: number, rules: Rules): { world: FenceWorld; violation: string | undefined } {
  const world = new FenceWorld(rules, generator(seed));
  try {
    for (let step = 0; step < STEPS_PER_UNIT * rules.units; step++) world.step();
    world.settle();
    return { world, violation: undefined };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { world, violation: error.message };
  }
}

function everySeed(rules: Rules): { fences: number; acknowledged: number; violations: string[] } {
  const sum = { fences: 0, acknowledged: 0, violations: [] as string[] };
  for (const seed of seeds) {
    const { world, violation } = run(seed, rules);
    sum.fences += world.fences;
    sum.acknowledged += world.acknowledged.size;
    if (violation === undefined) continue;
    const last = world.log.slice(-30).join('\n');
    sum.violations.push(`seed ${seed}; replay with PGCHARM_SIM_SEED=${seed}\n${last}`);
  }
  return sum;
}

/** @returns what goes wrong in the first of many seeds in which anything does */
function firstViolation(rules: Rules): string | undefined {
  for (let seed = 1; seed <= MANY_SEEDS; seed++) {
    const { violation } = run(seed, rules);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

describe('a fenced failover', () => {
  for (const units of [3, 5]) {
    for (const honest of [true, false]) {
      const said = honest ? 'an honest' : 'a lying';
      test(`${units} units, ${said} fence command: nothing acknowledged is lost`, (t) => {
        const { fences, acknowledged, violations } = everySeed({ ...SAFE, units, honest });
        t.diagnostic(`${fences} fences, ${acknowledged} rows`);
        assert.equal(violations[0], undefined);
        if (only !== undefined) return t.diagnostic(run(Number(only), SAFE).world.log.join('\n'));
        assert.ok(fences >= 10 && acknowledged > SEEDS, 'too little has happened');
      });
    }
  }

  const needed: [string, Partial<Rules>, RegExp][] = [
    ['strict synchronous mode', { honest: false, strict: false }, /acknowledges|without/],
    ['the revisions', { guarded: false }, /had come back/],
    ['leaving the lease itself alone', { honest: false, revokes: true }, /acknowledges|without/],
  ];
  for (const [safeguard, change, expected] of needed) {
    test(`without ${safeguard} it would be wrong`, () => {
      assert.match(firstViolation({ ...SAFE, ...change }) ?? 'none', expected);
    });
  }
});

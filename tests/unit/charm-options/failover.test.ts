/** The clocks of each failover profile, for every Patroni, and the outages that they imply. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { getPrimary } from '../../../src/charm/actions/get-primary.ts';
import { capabilitiesOf } from '../../../src/charm/model/capabilities.ts';
import {
  clocksIn,
  clocksOf,
  describeFailover,
  describeFence,
  impliedOutages,
} from '../../../src/charm/model/failover.ts';
import { UnitWorld } from '../../support/world.ts';

const PROFILES = ['fast', 'balanced', 'safe'] as const;
const patroni = (version: string) => capabilitiesOf(version === '' ? {} : { patroni: version });
const VERSIONS = ['3.0.2', '3.2.2', '4.0.5', ''];

describe('failover profiles', () => {
  for (const version of VERSIONS) {
    for (const profile of PROFILES) {
      test(`${profile} fits Patroni ${version || 'of an unknown version'}`, () => {
        const { ttl, loop_wait, retry_timeout } = clocksOf(profile, patroni(version));
        const { minimumTtlSeconds, minimumRetryTimeoutSeconds } = patroni(version);
        assert.ok(loop_wait + 2 * retry_timeout <= ttl, 'Patroni would change them');
        assert.ok(ttl >= minimumTtlSeconds && retry_timeout >= minimumRetryTimeoutSeconds);
        // A second for each of three voters: of five, one of them lives as long as most do.
        assert.ok(retry_timeout >= 3);
      });
    }
  }

  test('fast takes what Patroni allows', () => {
    const fast = { loop_wait: 1, primary_start_timeout: 0 };
    assert.deepEqual(clocksOf('fast', patroni('3.0.2')), { ...fast, ttl: 8, retry_timeout: 3 });
    const strict = { ...fast, ttl: 20, retry_timeout: 9 };
    for (const version of ['3.2.2', '4.0.5', '']) {
      assert.deepEqual(clocksOf('fast', patroni(version)), strict);
    }
  });

  test('what was measured lies within what is said', () => {
    // docs/decisions/2026-11-20-failover-profiles.md: clocks, and seconds to the next leader.
    const measured = [
      { clocks: [5, 1, 2, 0], crash: [2.1, 2.4], unit: [4.8, 5.4] },
      { clocks: [20, 1, 9, 0], crash: [2.2, 2.4], unit: [19.4, 20.3] },
      { clocks: [30, 10, 10, 300], crash: [7.9, 8.3], unit: [27.2, 27.6] },
    ];
    for (const { clocks, crash, unit } of measured) {
      const [ttl = 0, loop_wait = 0, retry_timeout = 0, primary_start_timeout = 0] = clocks;
      const said = impliedOutages({ ttl, loop_wait, retry_timeout, primary_start_timeout });
      for (const seconds of crash) assert.ok(said.crash.least <= seconds);
      for (const seconds of crash) assert.ok(seconds <= said.crash.most);
      for (const seconds of unit)
        assert.ok(said.unit.least <= seconds && seconds <= said.unit.most);
    }
  });

  test('an outage is never said to be shorter because clocks are slower', () => {
    const seconds = fc.integer({ min: 1, max: 300 });
    const clocks = fc.record({
      ttl: fc.integer({ min: 5, max: 300 }),
      loop_wait: fc.integer({ min: 1, max: 4 }),
      retry_timeout: seconds,
      primary_start_timeout: fc.nat(300),
    });
    fc.assert(
      fc.property(clocks, seconds, (one, more) => {
        const [before, after] = [one, { ...one, ttl: one.ttl + more }].map(impliedOutages);
        assert.ok(before && after && after.unit.most > before.unit.most);
        for (const { least, most } of Object.values(before)) assert.ok(0 < least && least <= most);
      }),
    );
  });

  test('get-primary says what is in force, whoever has set it', async () => {
    const world = new UnitWorld();
    world.config = { ...world.config, 'failover-profile': 'fast' };
    await world.settle();
    const answer = getPrimary.plan(world.snapshot(), undefined);
    assert.ok(answer.accepted);
    const expected = {
      primary: 'postgresql/0',
      'failover-clocks': 'ttl 8, loop_wait 1, retry_timeout 3, primary_start_timeout 0',
      'outage-after-crash': '1 to 3 s',
      'outage-after-loss-of-unit': '7 to 10 s',
      'outage-after-loss-of-unit-and-etcd-leader': '7 to 14 s',
    };
    assert.deepEqual(answer.results, expected);
    world.config = { ...world.config, 'fence-command': 'is-powered-off "$FENCE_UNIT"' };
    const fenced = getPrimary.plan(world.snapshot(), undefined);
    assert.ok(fenced.accepted);
    const waits = 'waits for strict synchronous mode, which needs three units';
    assert.deepEqual(fenced.results, { ...expected, 'fence-command': waits });
    const strict = { synchronous_mode: true, synchronous_mode_strict: true };
    assert.equal(describeFence(strict), 'in force');
    assert.equal(describeFence({ ...strict, synchronous_mode_strict: false }), waits);
    assert.equal(clocksIn({ ttl: 30 }), undefined);
    assert.equal(clocksIn({ ttl: 30, loop_wait: 10, retry_timeout: 10 })?.ttl, 30);
  });

  test('the page for operators says what the code does', () => {
    const page = readFileSync(new URL('../../../docs/failover.md', import.meta.url), 'utf8');
    for (const profile of PROFILES) {
      for (const version of ['3.0.2', '3.2.2']) {
        const said = Object.values(describeFailover(clocksOf(profile, patroni(version))));
        assert.ok(page.includes(`| ${said.join(' | ')} |`), `${profile} on ${version}: ${said}`);
      }
    }
  });
});

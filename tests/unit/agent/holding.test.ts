/** When clients wait for a primary: only after a loss, and never for longer than said. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decideHolding,
  type Holding,
  type HoldingInput,
  OPEN,
  type Pulse,
} from '../../../src/agent/decide/holding.ts';
import {
  isSilent,
  LEADERLESS_TICKS,
  refusesEverybody,
  SILENT_TICKS,
} from '../../../src/agent/decide/silence.ts';

const beats = (address: string): Pulse => ({ address, state: 'beating' });
const lost = (address: string): Pulse => ({ address, state: 'lost' });
const input = (change: Partial<HoldingInput>): HoldingInput => ({
  now: OPEN,
  route: 'a',
  pulse: beats('a'),
  confirmed: 'a',
  at: 1000,
  windowMs: 30_000,
  waiting: 0,
  maxWaiting: undefined,
  ...change,
});
const held: Holding = { state: 'held', since: 1000 };
const refused: Holding = { state: 'refused', since: 1000 };

describe('clients wait', () => {
  test('when the server that they are led to was heard and is lost', () => {
    assert.deepEqual(decideHolding(input({ pulse: lost('a') })), held);
  });

  test('not for what is merely unknown, nor for another server, nor with a window of 0', () => {
    for (const change of [
      { pulse: undefined, confirmed: undefined },
      { pulse: lost('b') },
      { pulse: lost('a'), route: undefined },
      { pulse: lost('a'), windowMs: 0 },
    ]) {
      assert.deepEqual(decideHolding(input(change)), OPEN);
    }
  });

  test('until the same server is back: the word of an older look does not count', () => {
    const now = held;
    assert.deepEqual(decideHolding(input({ now, pulse: lost('a'), confirmed: 'a' })), held);
    assert.deepEqual(decideHolding(input({ now, pulse: beats('a') })), OPEN);
  });

  test('until they are led to another server that accepts writes', () => {
    const now = held;
    const gone = { now, pulse: lost('a') };
    assert.deepEqual(decideHolding(input({ ...gone, route: 'b', confirmed: 'b' })), OPEN);
    assert.deepEqual(decideHolding(input({ ...gone, route: 'b', confirmed: undefined })), held);
  });

  test('until the window is over; then they are refused until there is a primary', () => {
    const late = { pulse: lost('a'), at: 31_000 };
    assert.equal(decideHolding(input({ ...late, now: held, at: 30_999 })).state, 'held');
    assert.equal(decideHolding(input({ ...late, now: held })).state, 'refused');
    assert.equal(decideHolding(input({ ...late, now: refused, at: 1e9 })).state, 'refused');
    assert.deepEqual(decideHolding(input({ now: refused })), OPEN);
  });

  test('in a number that is given; with more, all are refused', () => {
    const many = { now: held, pulse: lost('a'), maxWaiting: 10 };
    assert.equal(decideHolding(input({ ...many, waiting: 10 })).state, 'held');
    assert.equal(decideHolding(input({ ...many, waiting: 11 })).state, 'refused');
  });
});

const addresses = fc.constantFrom('a', 'b', 'c');
const pulses = fc.option(
  fc.record({
    address: addresses,
    state: fc.constantFrom('beating', 'lost'),
  }) as fc.Arbitrary<Pulse>,
  { nil: undefined },
);
const moments = fc.array(
  fc.record({
    pulse: pulses,
    route: fc.option(addresses, { nil: undefined }),
    confirmed: fc.option(addresses, { nil: undefined }),
    waiting: fc.nat(20),
    passed: fc.nat(20_000),
  }),
  { maxLength: 60 },
);

describe('for any course of events', () => {
  const follow = (
    course: readonly { pulse: Pulse | undefined; passed: number }[],
    limits: Pick<HoldingInput, 'windowMs' | 'maxWaiting'>,
    check: (before: Holding, step: HoldingInput, after: Holding) => void,
  ) => {
    let now: Holding = OPEN;
    let at = 0;
    for (const { passed, ...moment } of course) {
      at += passed;
      const step = { ...input(limits), ...moment, now, at };
      const after = decideHolding(step);
      check(now, step, after);
      now = after;
    }
  };
  const limits = fc.record({
    windowMs: fc.nat(60_000),
    maxWaiting: fc.option(fc.nat(20), { nil: undefined }),
  });

  test('nobody begins to wait without a loss', () => {
    fc.assert(
      fc.property(moments, limits, (course, given) =>
        follow(course, given, (before, { pulse, route }, after) => {
          if (before.state !== 'open' || after.state === 'open') return;
          assert.deepEqual([after.state, pulse?.state], ['held', 'lost']);
          assert.equal(pulse?.address, route);
        }),
      ),
    );
  });

  test('nobody waits when the window is over, whatever happens', () => {
    fc.assert(
      fc.property(moments, limits, (course, given) =>
        follow(course, given, (before, { at }, after) => {
          if (before.state !== 'held' || at - before.since < given.windowMs) return;
          assert.notEqual(after.state, 'held');
        }),
      ),
    );
  });

  test('a server that beats ends every wait, and deciding again changes nothing', () => {
    fc.assert(
      fc.property(moments, limits, (course, given) =>
        follow(course, given, (_, step, after) => {
          if (step.pulse?.state === 'beating' && step.pulse.address === step.route) {
            assert.deepEqual(after, OPEN);
          }
          if (after.state !== 'held' || step.waiting <= (step.maxWaiting ?? Infinity)) {
            assert.deepEqual(decideHolding({ ...step, now: after }), after);
          }
        }),
      ),
    );
  });
});

describe('silence', () => {
  test('counts after a while, and sooner when nobody leads', () => {
    assert.ok(!isSilent(SILENT_TICKS - 1, false) && isSilent(SILENT_TICKS, false));
    assert.ok(!isSilent(LEADERLESS_TICKS - 1, true) && isSilent(LEADERLESS_TICKS, true));
  });

  test('a refused login is no loss when the server has its reasons', () => {
    const says = (code: string) => Object.assign(new Error(code), { code, severity: 'FATAL' });
    assert.deepEqual(
      ['53300', '28P01', '3D000', '57P01', '57P02', '57P03'].map((code) =>
        refusesEverybody(says(code)),
      ),
      [false, false, false, true, true, true],
    );
    const unreachable = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    assert.ok(refusesEverybody(unreachable) && refusesEverybody(new Error('timeout')));
  });
});

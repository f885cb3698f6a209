/** What a unit that leaves waits for, and until when. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { leaveBy, type Open, openOf, waitsForClone } from '../../../src/agent/decide/leaving.ts';
import { known } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

const MINUTE = 60_000;
const AT = { startedAt: 1_000_000, since: 1_030_000, timeoutMs: 90_000 };

function seen(state: string) {
  const members = [aMember('a', { role: 'primary' }), aMember('b', { state })];
  return aWorld({ cluster: known(clusterOf(members)), etcd: known({ members: [], leader: 'b' }) });
}

describe('what is open', () => {
  const rows: [string, string[], Partial<Open>][] = [
    ['creating replica', ['b'], { copy: true, cloning: true }],
    ['starting', ['b'], { copy: true, cloning: false }],
    ['streaming', ['b'], { copy: false, cloning: false }],
    ['running', ['b'], { copy: false, cloning: false }],
    ['creating replica', [], { copy: false, cloning: true }],
    // Another that leaves, too, is no heir.
    ['streaming', ['c'], { copy: true, cloning: false }],
  ];
  for (const [state, heirs, open] of rows) {
    test(`the other one is ${state}, heirs: ${heirs.join()}`, () => {
      assert.partialDeepStrictEqual(openOf(seen(state), 'a', heirs), { primary: true, ...open });
    });
  }

  test('what cannot be asked counts as open', () => {
    assert.deepEqual(openOf(aWorld(), 'a', ['b']), {
      ...{ primary: false, voter: true, copy: true, cloning: false },
    });
  });
});

describe('until when', () => {
  const open = { primary: true, voter: true, copy: false, cloning: false };
  const rows: [string, Open, number][] = [
    ['the time allowed, where nothing clones', open, AT.since + AT.timeoutMs],
    ['a while for the first clone to begin', { ...open, copy: true }, AT.startedAt + 15 * MINUTE],
    [
      'a clone takes its time',
      { ...open, copy: true, cloning: true },
      AT.startedAt + 1440 * MINUTE,
    ],
    [
      'so does one that holds up the voter',
      { ...open, cloning: true },
      AT.startedAt + 1440 * MINUTE,
    ],
    [
      'a clone that needs nothing of this unit is not waited for',
      { ...open, voter: false, cloning: true },
      AT.since + AT.timeoutMs,
    ],
  ];
  for (const [what, state, deadline] of rows) {
    test(what, () => assert.equal(leaveBy(state, AT), deadline));
  }

  test('it always ends', () => {
    const state = fc.record({
      ...{ primary: fc.boolean(), voter: fc.boolean(), copy: fc.boolean(), cloning: fc.boolean() },
    });
    fc.assert(
      fc.property(state, fc.nat(), fc.nat(86_400_000), (some, startedAt, waited) => {
        const since = startedAt + waited;
        const deadline = leaveBy(some, { startedAt, since, timeoutMs: 90_000 });
        assert.ok(deadline <= startedAt + 1440 * MINUTE + 90_000);
        assert.ok(waitsForClone(some) || deadline === since + 90_000);
      }),
    );
  });
});

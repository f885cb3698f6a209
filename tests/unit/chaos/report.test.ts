/** What a campaign's report says, and when it says that the cluster has passed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Outcome, reportOf, spread } from '../../../src/chaos/report.ts';
import { reportText } from '../../../src/cli/commands/chaos.ts';

const FACTS = {
  application: 'postgresql',
  seed: 7,
  writers: 2,
  acknowledged: 1200,
  unstruck: [],
  interrupted: false,
};

function outcome(change: Partial<Outcome> = {}): Outcome {
  return {
    fault: 'kill-postmaster:primary',
    round: 0,
    units: ['postgresql/0'],
    stallsMs: [1000, 3000],
    errors: 2,
    lost: [],
    duplicates: [],
    recoveryMs: 4000,
    ...change,
  };
}

describe('a report', () => {
  test('puts the rounds of a fault together', () => {
    const rounds = [
      outcome(),
      outcome({ fault: 'kill-controller', units: [], stallsMs: [20, 30], errors: 0 }),
      outcome({ round: 1, units: ['postgresql/1'], stallsMs: [2000, 9000], recoveryMs: 8000 }),
    ];
    const { faults, passed } = reportOf(rounds, FACTS);
    assert.equal(passed, true);
    assert.deepEqual(faults[0], {
      fault: 'kill-postmaster:primary',
      runs: 2,
      struck: ['postgresql/0', 'postgresql/1'],
      passed: true,
      'no-writes-ms': { p50: 2000, max: 9000 },
      'client-errors': 4,
      'lost-rows': 0,
      'duplicate-rows': 0,
      'recovery-ms': { p50: 4000, max: 8000 },
    });
    assert.deepEqual(faults[1]?.struck, []);
  });

  const failures: [string, Partial<Outcome>, RegExp][] = [
    ['a lost row', { lost: ['a-0-5'] }, /lost: a-0-5/],
    ['a row that is there twice', { duplicates: ['a-0-5'] }, /twice: a-0-5/],
    ['rows that nobody can read', { lost: undefined, duplicates: undefined }, /not be read/],
    ['a cluster that stays weak', { missing: '1 of 2 replicas stream' }, /1 of 2 replicas/],
  ];
  for (const [what, change, reason] of failures) {
    test(`fails for ${what}, in whichever round`, () => {
      const report = reportOf([outcome(), outcome({ round: 1, ...change })], FACTS);
      assert.equal(report.passed, false);
      assert.match(report.faults[0]?.reason ?? '', reason);
      assert.match(reportText(report), /FAILED/);
    });
  }

  test('gives no figure that it does not have', () => {
    const { recoveryMs: _, ...weak } = outcome({ missing: 'no primary answers', lost: undefined });
    const [entry] = reportOf([weak], FACTS).faults;
    assert.equal(entry?.['recovery-ms'], undefined);
    assert.equal(entry?.['lost-rows'], undefined);
  });

  test('that struck nothing has not passed', () => {
    assert.equal(reportOf([], FACTS).passed, false);
    const skipped: Outcome = { fault: 'x:replica', round: 0, units: [], skipped: 'no replica' };
    const report = reportOf([skipped], FACTS);
    assert.equal(report.passed, false);
    assert.match(reportText(report), /x:replica: skipped: no replica/);
    assert.equal(reportOf([skipped, outcome()], FACTS).passed, true);
  });

  test('is a table for people', () => {
    const report = reportOf([outcome()], { ...FACTS, unstruck: ['kill-agent:every'] });
    const [head = '', row = '', , unstruck, rows] = reportText(report).split('\n');
    assert.match(head, /^Fault +Runs +No writes +max +Errors +Lost +Twice +Redundant +max$/);
    assert.match(row, /^kill-postmaster:primary +1 +1\.0s +3\.0s +2 +0 +0 +4\.0s +4\.0s$/);
    assert.equal(unstruck, 'not struck any more: kill-agent:every');
    assert.equal(rows, '1200 rows acknowledged to 2 writers, seed 7');
  });
});

test('the median is a time that was measured', () => {
  assert.deepEqual(spread([5.4, 1, 9]), { p50: 5, max: 9 });
  assert.deepEqual(spread([4, 2]), { p50: 2, max: 4 });
});

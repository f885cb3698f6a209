/** Where etcd's voters stand, and that every way there keeps a majority and ends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Candidate, nextMove, voterCount } from '../../../src/charm/decide/voters.ts';
import type { EtcdMember } from '../../../src/charm/model/world.ts';

const url = (number: number) => `https://10.0.0.${number}:2380`;
const unit = (number: number): Candidate => ({
  member: `postgresql-${number}`,
  peerUrl: url(number),
  ready: true,
});
const voter = (number: number, more: Partial<EtcdMember> = {}): EtcdMember => ({
  id: `${number}`,
  name: `postgresql-${number}`,
  peerUrl: url(number),
  learner: false,
  healthy: true,
  silentMs: 0,
  inSync: true,
  ...more,
});
const alone = (units: Candidate[]) => ({ units, witnesses: [] });
const silent = { healthy: false, silentMs: 120_000 };

/** Carries moves out until there are none: learners start and catch up at once. */
function settle(
  members: EtcdMember[],
  units: Candidate[],
  primary: string | undefined,
  witnesses: Candidate[] = [],
) {
  const history: string[] = [];
  let now = members;
  for (let round = 0; round < 40; round++) {
    const move = nextMove(now, { units, witnesses }, primary);
    if (move === undefined || move.type !== 'step') return { members: now, history };
    history.push(`${move.kind} ${'member' in move.args ? move.args.member : ''}`);
    now = carryOut(now, move.kind, move.args as Record<string, string>);
    assert.ok(
      now.some((member) => !member.learner && member.healthy),
      'a voter is left',
    );
  }
  return assert.fail(`no end: ${history.join(', ')}`);
}

function carryOut(now: EtcdMember[], kind: string, args: Record<string, string>): EtcdMember[] {
  if (kind === 'remove-voter') return now.filter(({ id }) => id !== args['id']);
  if (kind === 'promote-learner') {
    return now.map((member) => (member.id === args['id'] ? { ...member, learner: false } : member));
  }
  assert.equal(kind, 'add-learner');
  const number = Number(/\.(\d+):/.exec(args['peerUrl'] ?? '')?.[1]);
  return [...now, voter(number, { learner: true })];
}

const names = (members: EtcdMember[]) => members.map(({ name }) => name).sort();

describe('voters', () => {
  test('their number is odd and follows the units', () => {
    assert.deepEqual([1, 2, 3, 4, 5, 9].map(voterCount), [1, 1, 3, 3, 5, 5]);
  });

  test('one becomes three by learners that are promoted, one at a time', () => {
    const { history } = settle([voter(0)], [0, 1, 2].map(unit), 'postgresql-0');
    assert.deepEqual(history, [
      'add-learner postgresql-1',
      'promote-learner postgresql-1',
      'add-learner postgresql-2',
      'promote-learner postgresql-2',
    ]);
  });

  test('with two units the one voter moves beside the primary', () => {
    const { members, history } = settle([voter(0)], [0, 1].map(unit), 'postgresql-1');
    assert.deepEqual(names(members), ['postgresql-1']);
    assert.equal(history.at(-1), 'remove-voter postgresql-0');
  });

  test('of five the units that leave go first, the primary that leaves is waited for', () => {
    const five = [0, 1, 2, 3, 4].map((number) => voter(number));
    const before = settle(five, [1, 2].map(unit), 'postgresql-0');
    assert.deepEqual(before.history, ['remove-voter postgresql-4', 'remove-voter postgresql-3']);
    const handedOver = settle(before.members, [1, 2].map(unit), 'postgresql-2');
    assert.deepEqual(handedOver.history, [
      'remove-voter postgresql-0',
      'remove-voter postgresql-1',
    ]);
  });

  test('a last voter that leaves is replaced before it goes', () => {
    const { history } = settle([voter(0)], [unit(1)], 'postgresql-1');
    assert.deepEqual(history, [
      'add-learner postgresql-1',
      'promote-learner postgresql-1',
      'remove-voter postgresql-0',
    ]);
  });

  test('a voter that is away for a moment stops every change', () => {
    const members = [voter(0), voter(1, { healthy: false, silentMs: 5000 }), voter(2)];
    assert.equal(nextMove(members, alone([0, 1, 2, 3].map(unit)), 'postgresql-0'), undefined);
  });

  test('a voter lost for good is replaced where a spare unit is', () => {
    const members = [voter(0), voter(1, silent), voter(2)];
    const away = { ...unit(1), ready: false };
    const spare = settle(members, [unit(0), away, unit(2), unit(3)], 'postgresql-0');
    assert.deepEqual(names(spare.members), ['postgresql-0', 'postgresql-2', 'postgresql-3']);
    assert.equal(nextMove(members, alone([unit(0), away, unit(2)]), 'postgresql-0'), undefined);
  });

  test('without a majority nothing is changed', () => {
    const members = [voter(0), voter(1, silent), voter(2, silent)];
    assert.equal(nextMove(members, alone([unit(0), unit(3), unit(4)]), 'postgresql-0'), undefined);
  });

  describe('with a witness', () => {
    const witness = { ...unit(20), member: 'witness-0' };
    const atWitness = (more: Partial<EtcdMember> = {}) => voter(20, { name: 'witness-0', ...more });
    const pair = [0, 1].map(unit);

    test('two units have three voters; the witness comes first', () => {
      const { history } = settle([voter(0)], pair, 'postgresql-0', [witness]);
      assert.deepEqual(history, [
        'add-learner witness-0',
        'promote-learner postgresql-20',
        'add-learner postgresql-1',
        'promote-learner postgresql-1',
      ]);
      const moved = settle([voter(0)], pair, 'postgresql-1', [witness]);
      assert.equal(moved.history[0], 'add-learner witness-0');
      assert.equal(moved.members.length, 3);
    });

    test('one unit, and three or more, need none', () => {
      for (const numbers of [[0], [0, 1, 2], [0, 1, 2, 3, 4]]) {
        const alone = settle([voter(0)], numbers.map(unit), 'postgresql-0');
        const beside = settle([voter(0)], numbers.map(unit), 'postgresql-0', [witness]);
        assert.deepEqual(beside, alone);
      }
    });

    test('a third unit takes its place before it goes', () => {
      const now = [voter(0), voter(1), atWitness()];
      const { history } = settle(now, [0, 1, 2].map(unit), 'postgresql-0', [witness]);
      assert.deepEqual(history, [
        'add-learner postgresql-2',
        'promote-learner postgresql-2',
        'remove-voter witness-0',
      ]);
    });

    test('one that is not prepared is not waited for', () => {
      const away = { ...witness, ready: false };
      const { members } = settle([voter(0)], pair, 'postgresql-0', [away]);
      assert.deepEqual(names(members), ['postgresql-0']);
    });

    test('one that is lost is given up, and another takes its place', () => {
      const now = [voter(0), voter(1), atWitness(silent)];
      const gone = settle(now, pair, 'postgresql-0', [{ ...witness, ready: false }]);
      assert.deepEqual(gone.history, ['remove-voter witness-0', 'remove-voter postgresql-1']);
      const spare = { ...unit(21), member: 'witness-1' };
      const away = { ...witness, ready: false };
      const replaced = settle(now, pair, 'postgresql-0', [away, spare]);
      assert.deepEqual(replaced.history.slice(0, 2), [
        'remove-voter witness-0',
        'add-learner witness-1',
      ]);
      assert.equal(replaced.members.length, 3);
    });

    test('one that is away for a moment, or whose neighbour is lost, changes nothing', () => {
      for (const now of [
        [voter(0), voter(1), atWitness({ healthy: false, silentMs: 5000 })],
        [voter(0), voter(1, silent), atWitness()],
      ]) {
        const seats = { units: [unit(0), { ...unit(1), ready: false }], witnesses: [witness] };
        assert.equal(nextMove(now, seats, 'postgresql-0'), undefined);
      }
    });

    test('one that leaves goes first, but after a unit that is silent', () => {
      const whole = settle([voter(0), voter(1), atWitness()], pair, 'postgresql-1');
      assert.deepEqual(whole.history, ['remove-voter witness-0', 'remove-voter postgresql-0']);
      const lame = settle([voter(0), voter(1, silent), atWitness()], pair, 'postgresql-0');
      assert.deepEqual(lame.history, ['remove-voter postgresql-1', 'remove-voter witness-0']);
    });

    test('a learner that does not start is given up', () => {
      const never = atWitness({ ...silent, name: '', learner: true });
      const seats = { units: pair, witnesses: [witness] };
      assert.partialDeepStrictEqual(nextMove([voter(0), never], seats, 'postgresql-0'), {
        kind: 'remove-voter',
      });
    });
  });

  test('from any voters, for any units that stay, it ends in the number that is wanted', () => {
    const some = fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(some, some, fc.nat(), (voting, staying, pick) => {
        const units = staying.toSorted((a, b) => a - b).map(unit);
        const primary = units[pick % units.length]?.member;
        const { members } = settle(
          voting.map((number) => voter(number)),
          units,
          primary,
        );
        assert.equal(members.length, voterCount(units.length));
        for (const member of members) assert.ok(units.some((u) => u.peerUrl === member.peerUrl));
        if (units.length < 3) assert.deepEqual(names(members), [primary]);
      }),
    );
  });
});

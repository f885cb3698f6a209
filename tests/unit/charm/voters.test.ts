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
const silent = { healthy: false, silentMs: 120_000 };

/** Carries moves out until there are none: learners start and catch up at once. */
function settle(members: EtcdMember[], units: Candidate[], primary: string | undefined) {
  const history: string[] = [];
  let now = members;
  for (let round = 0; round < 40; round++) {
    const move = nextMove(now, units, primary);
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
    assert.equal(nextMove(members, [0, 1, 2, 3].map(unit), 'postgresql-0'), undefined);
  });

  test('a voter lost for good is replaced where a spare unit is', () => {
    const members = [voter(0), voter(1, silent), voter(2)];
    const away = { ...unit(1), ready: false };
    const spare = settle(members, [unit(0), away, unit(2), unit(3)], 'postgresql-0');
    assert.deepEqual(names(spare.members), ['postgresql-0', 'postgresql-2', 'postgresql-3']);
    assert.equal(nextMove(members, [unit(0), away, unit(2)], 'postgresql-0'), undefined);
  });

  test('without a majority nothing is changed', () => {
    const members = [voter(0), voter(1, silent), voter(2, silent)];
    assert.equal(nextMove(members, [unit(0), unit(3), unit(4)], 'postgresql-0'), undefined);
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

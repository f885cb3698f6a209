/** Which relation hook comes next, and which unit a -departed names. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextOperation } from '../../../src/controller/uniter/resolver.ts';
import type {
  LocalRelation,
  RemoteRelation,
  UnitRemote,
} from '../../../src/controller/uniter/unit-state.ts';
import { aLocal, aRelation, aRemote, NOW, next, seen } from '../../support/unit-state.ts';

describe('relation hooks', () => {
  const peer = { peer: true, endpoint: 'peers', remoteApp: 'a', apps: { a: 0 } };
  type Case = [
    says: string,
    local: Partial<LocalRelation>,
    relation: Partial<RemoteRelation>,
    next: string,
    remote?: Partial<UnitRemote>,
  ];
  const cases: Case[] = [
    ['nobody there', {}, {}, '-'],
    ['joined, by number', {}, { members: { 'b/10': 0, 'b/9': 0 } }, 'db-relation-joined b/9'],
    [
      'changed is guaranteed after joined, also when others wait',
      { members: { 'b/1': 0 }, changedPending: 'b/1' },
      { members: { 'b/0': 0, 'b/1': 0 }, apps: { b: 4 } },
      'db-relation-changed b/1',
    ],
    [
      'changed is guaranteed even if the unit left meanwhile',
      { members: { 'b/1': 0 }, changedPending: 'b/1' },
      {},
      'db-relation-changed b/1',
    ],
    [
      'departed before joined',
      { members: { 'b/0': 1 } },
      { members: { 'b/1': 0 } },
      'db-relation-departed b/0',
    ],
    [
      'application data before joined',
      {},
      { members: { 'b/0': 0 }, apps: { b: 1 } },
      'db-relation-changed',
    ],
    ['application data once', { apps: { b: 1 } }, { apps: { b: 1 } }, '-'],
    [
      'joined before changed of another',
      { members: { 'b/0': 1 } },
      { members: { 'b/0': 2, 'b/1': 0 } },
      'db-relation-joined b/1',
    ],
    [
      'a new version',
      { members: { 'b/0': 1 } },
      { members: { 'b/0': 7 } },
      'db-relation-changed b/0',
    ],
    ['the same version', { members: { 'b/0': 7 } }, { members: { 'b/0': 7 } }, '-'],
    [
      'a dying relation: departed for each',
      { members: { 'b/0': 1 } },
      { life: 'dying', members: { 'b/0': 2, 'b/1': 1 } },
      'db-relation-departed b/0',
    ],
    ['then broken', {}, { life: 'dying', members: { 'b/1': 1 } }, 'db-relation-broken'],
    ['a suspended one too', {}, { suspended: true }, 'db-relation-broken'],
    [
      'a relation that ends before its -created is left without a word',
      { createdRun: false },
      { life: 'dying', members: { 'b/0': 1 } },
      'leave-scope',
    ],
    ['once out of scope nothing more', { inScope: false }, { life: 'dying' }, '-'],
    ['suspended and out of scope: not entered again', { inScope: false }, { suspended: true }, '-'],
    [
      'peers depart',
      { members: { 'a/1': 1 } },
      { ...peer, members: {} },
      'peers-relation-departed a/1',
    ],
    ['peers never break', {}, { ...peer }, 'stop', { life: 'dying' }],
    [
      'a dying unit departs from peers, then stops',
      { members: { 'a/1': 1 } },
      { ...peer, members: { 'a/1': 1 } },
      'peers-relation-departed a/1',
      { life: 'dying' },
    ],
    ['a dying unit breaks before it stops', {}, {}, 'db-relation-broken', { life: 'dying' }],
  ];
  for (const [says, local, relation, expected, remote] of cases) {
    test(says, () => {
      const relations = [aRelation(relation)];
      assert.equal(next({ relations: seen(local) }, { relations, ...remote }), expected);
    });
  }

  test('the departing unit is the remote one, or the own one when that is leaving', () => {
    const departing = (remote: Partial<UnitRemote>) => {
      const local = aLocal({ relations: seen({ members: { 'b/0': 1 } }) });
      const chosen = nextOperation(local, aRemote({ relations: [aRelation()], ...remote }), NOW);
      return chosen?.kind === 'hook' ? chosen.hook.departingUnit : undefined;
    };
    assert.equal(departing({}), 'b/0');
    assert.equal(departing({ life: 'dying' }), 'a/0');
    assert.equal(departing({ applicationLife: 'dying' }), 'a/0');
  });
});

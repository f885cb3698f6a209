/** Who may become primary, and who is preferred. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bestCandidate,
  MAX_CANDIDATE_LAG_BYTES,
  unfitness,
} from '../../../src/charm/model/candidate.ts';
import { aMember, clusterOf, someMembers } from './cluster.ts';

const fit = { streaming: true, lagBytes: 0 };

test('who runs but does not stream cannot take over', () => {
  assert.match(unfitness(aMember('b', { state: 'running' })) ?? '', /does not stream/);
  assert.equal(unfitness(aMember('b', fit)), undefined);
  const behind = aMember('b', { ...fit, lagBytes: MAX_CANDIDATE_LAG_BYTES + 1 });
  assert.match(unfitness(behind) ?? '', /lags by 1048577 bytes/);
  assert.match(unfitness(aMember('b', { ...fit, tags: { nofailover: true } })) ?? '', /tagged/);
});

test('the synchronous standby comes before a replica that is less behind', () => {
  const members = [
    aMember('a', { role: 'primary' }),
    aMember('b', fit),
    aMember('c', { ...fit, role: 'sync-standby', lagBytes: 5 }),
  ];
  assert.equal(bestCandidate(clusterOf(members))?.name, 'c');
});

test('with a synchronous standby that is unfit, nobody else is taken: rows would be lost', () => {
  const members = [
    aMember('a', { role: 'primary' }),
    aMember('b', fit),
    aMember('c', { role: 'sync-standby', streaming: false }),
  ];
  assert.equal(bestCandidate(clusterOf(members)), undefined);
});

test('whoever is chosen is fit and is not the primary', () => {
  fc.assert(
    fc.property(someMembers, (members) => {
      const best = bestCandidate(clusterOf(members));
      if (best === undefined) return;
      assert.equal(unfitness(best), undefined);
      assert.notEqual(best.role, 'primary');
    }),
  );
});

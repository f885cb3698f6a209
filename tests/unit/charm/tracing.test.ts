/** Where spans go, by what relations say. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tracingAnswer } from '../../../lib/relations/tracing.ts';
import { tracing, tracingWish } from '../../../src/charm/decide/tracing.ts';
import type { Relation, Snapshot } from '../../../src/charm/model/snapshot.ts';
import { UnitWorld } from '../../support/world.ts';

const answer = (url: string) =>
  tracingAnswer([{ protocol: { name: 'otlp_http', type: 'http' }, url }]);

function related(endpoint: string, change: Partial<Relation> = {}): Relation {
  const bags = { localApp: {}, localUnit: {}, remoteApp: {}, units: [] };
  return { endpoint, id: 9, app: 'tempo', ending: false, ...bags, ...change };
}

function world(relations: Relation[], isLeader = true): Snapshot {
  const unit = new UnitWorld();
  unit.isLeader = isLeader;
  return { ...unit.snapshot(), relations };
}

describe('tracing', () => {
  test('the leader asks for a receiver, once', () => {
    const [ask] = tracing(world([related('tracing')]));
    assert.ok(ask?.type === 'step' && ask.kind === 'relation-set');
    assert.deepEqual(ask.args.data, { receivers: '["otlp_http"]' });
    const asked = related('tracing', { localApp: { receivers: '["otlp_http"]' } });
    assert.deepEqual(tracing(world([asked])), []);
    assert.deepEqual(tracing(world([related('tracing')], false)), []);
    assert.deepEqual(tracing(world([related('tracing', { ending: true })])), []);
  });

  test('spans go to the relation made for them, or else where cos-agent says', () => {
    const own = related('tracing', { remoteApp: answer('http://tempo:4318') });
    const units = [{ name: 'collector/0', data: answer('http://collector:4318') }];
    const collector = related('cos-agent', { units });
    assert.equal(tracingWish(world([collector, own]))?.url, 'http://tempo:4318');
    assert.equal(tracingWish(world([collector]))?.url, 'http://collector:4318');
    const ending = { ...own, ending: true };
    assert.equal(tracingWish(world([ending])), undefined);
  });
});

/** Which faults words name, and whom they strike. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Cluster } from '../../../src/chaos/cluster.ts';
import { chosenFaults, faults, struckUnits } from '../../../src/chaos/faults.ts';
import { aModel } from './model.ts';

describe('names', () => {
  test('are at least forty, and each only once', () => {
    assert.ok(faults.length >= 40);
    assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length);
  });

  test('without words it is the usual ones', () => {
    const usual = chosenFaults([]);
    assert.ok(usual.length > 0 && usual.length < faults.length);
    assert.ok(usual.every((fault) => fault.usual));
  });

  test('a kind names it in all places, `all` everything, in the order of the table', () => {
    const names = (...words: string[]) => chosenFaults(words).map(({ name }) => name);
    assert.deepEqual(names('power-off:primary', 'kill-agent:every'), [
      'kill-agent:every',
      'power-off:primary',
    ]);
    assert.deepEqual(names('freeze-unit'), ['freeze-unit:primary', 'freeze-unit:replica']);
    assert.deepEqual(names('kill-controller'), ['kill-controller']);
    assert.equal(names('all', 'kill-agent').length, faults.length);
  });

  test('what is no fault is refused by name', () => {
    const refusal = { code: 'unknown-fault', message: /kill-postgres, :primary/ };
    assert.throws(() => chosenFaults(['kill-agent', 'kill-postgres', ':primary']), refusal);
  });
});

describe('places', () => {
  const struck = (place: Parameters<typeof struckUnits>[0], pick = 0, units = 3) =>
    struckUnits(place, new Cluster(aModel({ units }), 'pg'), pick);

  test('name units by what they are now', async () => {
    assert.deepEqual(await struck('primary'), ['pg/1']);
    assert.deepEqual(await struck('etcd-leader'), ['pg/2']);
    assert.deepEqual(await struck('every'), ['pg/0', 'pg/1', 'pg/2']);
    assert.deepEqual(await struck('cluster'), []);
  });

  test('of several that are alike the number decides', async () => {
    assert.deepEqual(await struck('replica', 0), ['pg/0']);
    assert.deepEqual(await struck('replica', 0.99), ['pg/2']);
    assert.deepEqual(await struck('majority', 0.5), ['pg/1', 'pg/2']);
    assert.deepEqual(await struck('majority', 0.99), ['pg/2', 'pg/0']);
  });

  test('a cluster without replicas has no such place', async () => {
    assert.equal(await struck('replica', 0, 2).then((units) => units?.length), 1);
    const alone = new Cluster(aModel({ units: 1, primary: 0 }), 'pg');
    assert.equal(await struckUnits('replica', alone, 0), undefined);
    assert.deepEqual(await struckUnits('majority', alone, 0), ['pg/0']);
  });
});

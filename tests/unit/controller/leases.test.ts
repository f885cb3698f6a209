/** Leadership: one holder, renewed while its machine is on, passed on when it cannot answer. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Store } from '../../../src/controller/state/store.ts';
import { keepLeases, LEASE_MS } from '../../../src/controller/uniter/leases.ts';
import { fillModel } from '../../support/small-model.ts';

const NOW = 1_000_000;

describe('leases', () => {
  let store: Store;
  beforeEach(() => {
    store = new Store(':memory:');
    fillModel(store, { a: 3 });
  });
  afterEach(() => store.close());

  const keep = (now: number) => {
    store.tx(() => keepLeases(store, now));
    return store.get<{ unit: string; expires: number }>('SELECT unit, expires FROM lease');
  };
  const power = (machine: string, state: 'on' | 'off') =>
    store.run('UPDATE machine SET power = ? WHERE id = ?', state, machine);

  test('the lowest unit gets it, for a minute', () => {
    assert.deepEqual({ ...keep(NOW) }, { unit: 'a/0', expires: NOW + LEASE_MS });
  });

  test('a unit that has started comes before a lower one that has not', () => {
    store.run(`UPDATE unit SET started = 1, installed = 1 WHERE name = 'a/2'`);
    assert.equal(keep(NOW)?.unit, 'a/2');
  });

  test('it is renewed once half of it is over, and not before', () => {
    keep(NOW);
    assert.equal(keep(NOW + LEASE_MS / 2 - 1)?.expires, NOW + LEASE_MS);
    assert.equal(keep(NOW + LEASE_MS / 2)?.expires, NOW + LEASE_MS * 1.5);
  });

  test('a holder without power keeps it until it has run out', () => {
    keep(NOW);
    power('0', 'off');
    assert.deepEqual({ ...keep(NOW + LEASE_MS - 1) }, { unit: 'a/0', expires: NOW + LEASE_MS });
    assert.equal(keep(NOW + LEASE_MS)?.unit, 'a/1');
  });

  test('a holder that is back in time keeps it', () => {
    keep(NOW);
    power('0', 'off');
    keep(NOW + 40_000);
    power('0', 'on');
    assert.deepEqual({ ...keep(NOW + 50_000) }, { unit: 'a/0', expires: NOW + 50_000 + LEASE_MS });
  });

  test('after a long sleep of the controller the holder goes on', () => {
    keep(NOW);
    assert.equal(keep(NOW + 10 * LEASE_MS)?.unit, 'a/0');
  });

  test('a dying unit that never led makes way at once, one that leads resigns first', () => {
    keep(NOW);
    store.run(`UPDATE unit SET life = 'dying', leader_accepted = 1 WHERE name = 'a/0'`);
    assert.equal(keep(NOW + 1)?.unit, 'a/0');
    store.run(`UPDATE unit SET leader_accepted = 0 WHERE name = 'a/0'`);
    assert.equal(keep(NOW + 2)?.unit, 'a/1');
  });

  test('with nobody to lead there is no leader', () => {
    store.run(`UPDATE unit SET life = 'dying'`);
    assert.equal(keep(NOW), undefined);
  });
});

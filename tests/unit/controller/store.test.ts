/** What holds of a transaction when SQLite itself gives it up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../../src/controller/state/store.ts';

test('a transaction that SQLite has rolled back says why, and the next one works', () => {
  const store = new Store(':memory:');
  let told = 0;
  store.onChange(() => {
    told += 1;
  });
  store.setMeta('a', '1');
  // SQLite ends the whole transaction by itself when the disk is full; OR ROLLBACK does the same.
  const doomed = () =>
    store.tx(() => {
      store.setMeta('b', '2');
      store.run(`INSERT OR ROLLBACK INTO meta VALUES ('a', 'again')`);
    });
  assert.throws(doomed, /UNIQUE constraint failed/);
  assert.equal(store.meta('b'), undefined);
  assert.equal(told, 1);

  store.tx(() => store.setMeta('c', '3'));
  assert.equal(store.meta('c'), '3');
  assert.equal(told, 2);
  store.close();
});

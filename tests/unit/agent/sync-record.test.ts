/** Which record of synchronous standbys the primary's unit writes, and when it keeps still. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  NOBODY,
  readSyncRecord,
  renderSyncRecord,
  type SyncInput,
  standbyNames,
  syncRemedy,
} from '../../../src/agent/decide/sync-record.ts';
import { known, unknown } from '../../../src/charm/model/world.ts';
import { aMember, clusterOf } from './cluster.ts';

const primary = aMember('db-0', { role: 'primary' });
const standby = aMember('db-1', { streaming: true });
const recorded = { leader: 'db-0', members: [] };

function input(change: Partial<SyncInput> = {}, members = [primary]): SyncInput {
  const cluster = { ...clusterOf(members), dynamic: { synchronous_mode: true } };
  return { self: 'db-0', cluster: known(cluster), waitsFor: [], record: recorded, ...change };
}

describe('the record of synchronous standbys', () => {
  test('is begun, naming nobody, where there is none', () => {
    const record = { record: undefined };
    assert.equal(syncRemedy(input(record)), 'begin');
    assert.equal(syncRemedy(input({ record: { leader: undefined, members: [] } })), 'begin');
    assert.deepEqual(readSyncRecord(renderSyncRecord('db-0', 'begin')), recorded);
  });

  test('is shaken when PostgreSQL waits for somebody who is gone and was never recorded', () => {
    const waits = { waitsFor: ['db-1'] };
    assert.equal(syncRemedy(input(waits)), 'shake');
    assert.equal(syncRemedy(input(waits, [primary, aMember('db-1')])), 'shake');
    assert.equal(syncRemedy(input(waits, [primary, standby])), undefined, 'it is there');
    const twoWaits = { waitsFor: ['db-1', 'db-2'] };
    assert.equal(syncRemedy(input(twoWaits, [primary, standby])), undefined, 'Patroni sees it');
    assert.deepEqual(readSyncRecord(renderSyncRecord('db-0', 'shake')), {
      leader: 'db-0',
      members: [NOBODY],
    });
  });

  test('is left to Patroni in every other state', () => {
    const waits = { waitsFor: ['db-1'] };
    const rows: Partial<SyncInput>[] = [
      { record: { leader: 'db-0', members: ['db-1'] } },
      { record: { leader: 'db-1', members: [] } },
      { waitsFor: [] },
      { waitsFor: undefined, record: undefined },
      { cluster: unknown('Patroni is silent'), record: undefined },
      { self: 'db-1', record: undefined },
    ];
    for (const row of rows) assert.equal(syncRemedy(input({ ...waits, ...row })), undefined);
    const asynchronous = { ...clusterOf([primary]), dynamic: { synchronous_mode: false } };
    assert.equal(syncRemedy(input({ ...waits, cluster: known(asynchronous) })), undefined);
    const paused = { ...clusterOf([primary]), paused: true, dynamic: { synchronous_mode: true } };
    assert.equal(syncRemedy(input({ ...waits, cluster: known(paused) })), undefined);
  });

  test('names are read from each form that Patroni writes', () => {
    const rows: [string, string[]][] = [
      ['', []],
      ['*', []],
      ['"db-1"', ['db-1']],
      ['db1', ['db1']],
      ['2 ("db-1","db-2")', ['db-1', 'db-2']],
      ['ANY 1 ("db-1", db2)', ['db-1', 'db2']],
      ['"a""b"', ['a"b']],
    ];
    for (const [setting, names] of rows) assert.deepEqual(standbyNames(setting), names);
  });

  test('whatever stands in the key is read or taken for nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const record = readSyncRecord(text);
        assert.ok(record === undefined || Array.isArray(record.members));
      }),
    );
  });
});

/** Which secret events a unit is due, and what running them changes. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Store } from '../../../src/controller/state/store.ts';
import { commitHook } from '../../../src/controller/uniter/commit.ts';
import type { SecretHook } from '../../../src/controller/uniter/hook-info.ts';
import { readUnit } from '../../../src/controller/uniter/read-unit.ts';
import { SECRET_RETRY_MS } from '../../../src/controller/uniter/timing.ts';
import { fillModel } from '../../support/small-model.ts';

const NOW = 1_000_000;
const HOUR = 3_600_000;

describe('secret events', () => {
  let store: Store;
  beforeEach(() => {
    store = new Store(':memory:');
    fillModel(store, { a: 2, b: 1 });
    store.run(`INSERT INTO lease VALUES ('a', 'a/0', ${NOW * 2})`);
    store.run('UPDATE unit SET leader_accepted = 1 WHERE name = ?', 'a/0');
  });
  afterEach(() => store.close());

  function addSecret(id: string, owner: 'a' | 'a/0' | 'b/0', latest = 1): void {
    store.run(
      `INSERT INTO secret (id, owner_kind, owner, label, latest, created, updated)
       VALUES (?, ?, ?, 'mine', ?, 0, 0)`,
      id,
      owner.includes('/') ? 'unit' : 'application',
      owner,
      latest,
    );
    for (let revision = 1; revision <= latest; revision += 1) {
      const sql = `INSERT INTO secret_revision (secret_id, revision, content, checksum, created)
                   VALUES (?, ?, '{}', '', 0)`;
      store.run(sql, id, revision);
    }
  }
  function consume(unit: string, id: string, tracked: number, notified = tracked): void {
    store.run(
      'INSERT INTO secret_consumer VALUES (?, ?, ?, ?, ?)',
      id,
      unit,
      'theirs',
      tracked,
      notified,
    );
  }
  function due(unit: string, now = NOW): string[] {
    const secrets = readUnit(store, unit, now)?.remote.secrets;
    assert.ok(secrets);
    const { nextAt, ...events } = secrets;
    const names = Object.entries(events).flatMap(([event, list]) =>
      list.map(({ id, revision, label }) => `${event} ${id}/${revision} ${label}`),
    );
    return nextAt === undefined ? names : [...names, `next ${nextAt}`];
  }
  function ran(unit: string, kind: SecretHook, revision: number, now = NOW): void {
    const numbers = kind === 'secret-rotate' ? { version: revision } : { secretRevision: revision };
    const hook = { kind, name: kind, secretId: 'x', ...numbers };
    const hashes = { config: '', trust: '', address: '' };
    store.tx(() => commitHook(store, unit, hook, { hashes, boot: 1, now }));
  }

  test('a consumer hears of a newer revision once', () => {
    addSecret('x', 'a', 3);
    consume('b/0', 'x', 1);
    assert.deepEqual(due('b/0'), ['changed x/3 theirs']);
    ran('b/0', 'secret-changed', 3);
    assert.deepEqual(due('b/0'), []);
  });

  test('of an application secret its other units hear, not the leader who writes it', () => {
    addSecret('x', 'a', 2);
    consume('a/0', 'x', 2, 1);
    consume('a/1', 'x', 1);
    assert.deepEqual(due('a/0'), []); // The other unit still tracks revision 1.
    assert.deepEqual(due('a/1'), ['changed x/2 theirs']);
  });

  test('the owner hears of a revision that nobody tracks, once', () => {
    addSecret('x', 'a', 2);
    assert.deepEqual(due('a/0'), ['obsolete x/1 mine']);
    assert.deepEqual(due('a/1'), []);
    consume('b/0', 'x', 1);
    assert.deepEqual(due('a/0'), []);
    store.run('UPDATE secret_consumer SET tracked = 2');
    ran('a/0', 'secret-remove', 1);
    assert.deepEqual(due('a/0'), []);
  });

  test('a unit secret is its unit’s affair, whoever leads', () => {
    addSecret('x', 'b/0', 2);
    assert.deepEqual(due('b/0'), ['obsolete x/1 mine']);
    assert.deepEqual(due('a/0'), []);
  });

  test('an expired revision is reported again until it is gone, not all the time', () => {
    addSecret('x', 'a');
    store.run('UPDATE secret_revision SET expires = ?', NOW + 5);
    assert.deepEqual(due('a/0'), [`next ${NOW + 5}`]);
    assert.deepEqual(due('a/0', NOW + 5), ['expired x/1 mine']);
    ran('a/0', 'secret-expired', 1, NOW + 5);
    assert.deepEqual(due('a/0', NOW + 6), [`next ${NOW + 5 + SECRET_RETRY_MS}`]);
    assert.deepEqual(due('a/0', NOW + 5 + SECRET_RETRY_MS), ['expired x/1 mine']);
  });

  test('a rotation that wrote a revision is due after its interval, one that did not soon', () => {
    addSecret('x', 'a');
    store.run(`UPDATE secret SET rotate = 'hourly', next_rotate = ?`, NOW);
    assert.deepEqual(due('a/0'), ['rotate x/1 mine']);
    ran('a/0', 'secret-rotate', 1);
    assert.deepEqual(due('a/0'), [`next ${NOW + SECRET_RETRY_MS}`]);
    store.run('UPDATE secret SET latest = 2');
    ran('a/0', 'secret-rotate', 1);
    assert.ok(due('a/0').includes(`next ${NOW + HOUR}`));
  });
});

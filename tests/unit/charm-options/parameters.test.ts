/** Sizes of PostgreSQL and PgBouncer by machine and profile, as tables and as properties. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseOptions } from '../../../src/charm/model/options.ts';
import { sizesOf } from '../../../src/charm/model/parameters.ts';

const GIB = 1024 ** 3;

function sizes(cpus: number, memoryBytes: number, raw: Record<string, string | number> = {}) {
  const parsed = parseOptions(raw);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return sizesOf({ cpus, memoryBytes }, parsed.options);
}

/** Bytes of a size as postgresql.conf writes it. */
function bytes(size: number | string | undefined): number {
  const match = /^(\d+)(kB|MB)$/.exec(String(size));
  assert.ok(match, `${size} is no size`);
  return Number(match[1]) * (match[2] === 'kB' ? 1024 : 1024 ** 2);
}

describe('production', () => {
  const table: [cpus: number, gib: number, buffers: string, cache: string, maintenance: string][] =
    [
      [1, 1, '262144kB', '786432kB', '65536kB'],
      [2, 8, '2097152kB', '6291456kB', '524288kB'],
      [16, 64, '16777216kB', '50331648kB', '2097152kB'],
      [64, 1024, '33554432kB', '1040187392kB', '2097152kB'],
    ];
  for (const [cpus, gib, buffers, cache, maintenance] of table) {
    test(`${cpus} processors, ${gib} GiB`, () => {
      assert.partialDeepStrictEqual(sizes(cpus, gib * GIB).local, {
        shared_buffers: buffers,
        effective_cache_size: cache,
        maintenance_work_mem: maintenance,
      });
    });
  }

  test('profile-limit-memory counts in MiB and never adds memory', () => {
    const limited = sizes(4, 64 * GIB, { 'profile-limit-memory': 4096 });
    assert.equal(limited.local['shared_buffers'], `${GIB / 1024}kB`);
    const generous = sizes(4, 2 * GIB, { 'profile-limit-memory': 4096 });
    assert.equal(generous.local['shared_buffers'], `${GIB / 2 / 1024}kB`);
  });
});

test('testing keeps three units on any machine, whatever memory there is', () => {
  const { local } = sizes(32, 256 * GIB, { profile: 'testing' });
  assert.equal(bytes(local['shared_buffers']), 32 * 1024 ** 2);
  assert.equal(bytes(local['max_wal_size']), 256 * 1024 ** 2);
});

test('connections follow the processors, from 100 up, unless the operator says otherwise', () => {
  assert.equal(sizes(2, GIB).cluster['max_connections'], 100);
  assert.equal(sizes(64, GIB).cluster['max_connections'], 256);
  const asked = sizes(64, GIB, { 'experimental-max-connections': 40 });
  assert.equal(asked.cluster['max_connections'], 40);
  assert.ok(asked.pooler.poolSize <= 15);
});

test('what the operator sets stands above the profile, in the unit of the option', () => {
  const raw = {
    profile: 'testing',
    'memory-shared-buffers': 1000,
    'memory-work-mem': 777,
    'memory-max-prepared-transactions': 5,
    'connection-statement-timeout': 3000,
  };
  const { local, cluster } = sizes(2, 8 * GIB, raw);
  assert.equal(local['shared_buffers'], '8000kB');
  assert.equal(local['work_mem'], '777kB');
  assert.equal(local['statement_timeout'], 3000);
  assert.equal(cluster['max_prepared_transactions'], 5);
});

test("what Patroni takes for all members alone is shared, everything else is the unit's", () => {
  const raw = {
    'durability-wal-keep-size': 64,
    'instance-max-locks-per-transaction': 100,
    'cpu-max-worker-processes': '4',
    'durability-max-wal-size': 2048,
    'vacuum-autovacuum-max-workers': 2,
  };
  const { local, cluster } = sizes(2, 8 * GIB, raw);
  assert.partialDeepStrictEqual(cluster, {
    wal_keep_size: '64MB',
    max_locks_per_transaction: 100,
    max_worker_processes: 4,
  });
  assert.partialDeepStrictEqual(local, { max_wal_size: '2048MB', autovacuum_max_workers: 2 });
  for (const name of Object.keys(cluster)) assert.ok(!(name in local), name);
});

test('on every machine the sizes fit into it and into what PostgreSQL accepts', () => {
  const cpus = fc.integer({ min: 1, max: 256 });
  const mib = fc.integer({ min: 256, max: 4 * 1024 * 1024 });
  fc.assert(
    fc.property(cpus, mib, fc.constantFrom('production', 'testing'), (count, size, profile) => {
      const memory = size * 1024 ** 2;
      const { local, cluster, pooler } = sizes(count, memory, { profile });
      assert.ok(bytes(local['shared_buffers']) <= memory * 0.4);
      assert.ok(bytes(local['maintenance_work_mem']) <= memory / 4);
      assert.ok(bytes(local['wal_buffers']) <= bytes(local['shared_buffers']));
      assert.ok(bytes(local['min_wal_size']) < bytes(local['max_wal_size']));
      assert.ok(bytes(local['effective_cache_size']) >= bytes(local['shared_buffers']));
      const connections = Number(cluster['max_connections']);
      assert.ok(pooler.poolSize >= 1 && pooler.poolSize * 2 <= connections);
    }),
  );
});

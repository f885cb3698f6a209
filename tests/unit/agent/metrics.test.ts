/**
 * The metrics that stand under the names of other exporters: their names and labels are what boards
 * and rules written for those exporters select by.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { type Log, streamLog } from '../../../lib/std/log.ts';
import { backupFamilies } from '../../../src/agent/server/backup-metrics.ts';
import { exposition, type Family } from '../../../src/agent/server/exposition.ts';
import { backupListener } from '../../../src/agent/server/metrics.ts';
import { poolerFamilies } from '../../../src/agent/server/pooler-metrics.ts';
import type { PoolerAdmin } from '../../../src/charm/workload/ports.ts';

const sizes = { delta: 10, repository: { delta: 5, size: 7 }, size: 20 };
const backup = {
  annotation: { why: 'test' },
  archive: { start: '000000010000000000000002', stop: '000000010000000000000003' },
  backrest: { format: 5, version: '2.45' },
  database: { id: 1, 'repo-key': 1 },
  error: false,
  info: sizes,
  label: '20260101-000000F',
  lsn: { start: '0/2000028', stop: '0/3000050' },
  prior: null,
  reference: null,
  timestamp: { start: 1_767_225_600, stop: 1_767_225_660 },
  type: 'full',
};
const increment = {
  ...backup,
  error: true,
  label: '20260101-000000F_20260102-000000I',
  prior: backup.label,
  timestamp: { start: 1_767_312_000, stop: 1_767_312_010 },
  type: 'incr',
};
const info = JSON.stringify([
  {
    archive: [{ database: { id: 1, 'repo-key': 1 }, id: '15-1', max: '1', min: '1' }],
    backup: [backup, increment],
    cipher: 'none',
    db: [
      { id: 1, 'repo-key': 1, 'system-id': 7_100_000_000_000_000_001n.toString(), version: '15' },
    ],
    name: 'main.pg',
    repo: [{ cipher: 'none', key: 1, status: { code: 0, message: 'ok' } }],
    status: { code: 0, lock: { backup: { held: true } }, message: 'ok' },
  },
]);

/** Lines without comments. */
async function lines(families: readonly Family[]): Promise<string[]> {
  const text = await exposition(families);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics of backups', () => {
  test('have the names and labels of pgbackrest_exporter', async () => {
    const found = await lines(backupFamilies(info, 1_767_312_110));
    const full = 'backup_name="20260101-000000F",backup_type="full",block_incr="n",database_id="1"';
    for (const line of [
      'pgbackrest_exporter_status{stanza="all-stanzas"} 1',
      'pgbackrest_stanza_status{stanza="main.pg"} 0',
      'pgbackrest_stanza_backup_lock_status{stanza="main.pg"} 1',
      'pgbackrest_repo_status{cipher="none",repo_key="1",stanza="main.pg"} 0',
      `pgbackrest_backup_size_bytes{${full},repo_key="1",stanza="main.pg"} 20`,
      `pgbackrest_backup_duration_seconds{${full},repo_key="1",stanza="main.pg",` +
        'start_time="2026-01-01 00:00:00",stop_time="2026-01-01 00:01:00"} 60',
      'pgbackrest_wal_archive_status{database_id="1",pg_version="15",repo_key="1",' +
        'stanza="main.pg",wal_max="",wal_min=""} 1',
    ]) {
      assert.ok(found.includes(line), line);
    }
    assert.ok(found.some((line) => /^pgbackrest_backup_info\{.*pg_version="15".*\} 1$/.test(line)));
  });

  test('count a full backup as a differential too, and any as an incremental', async () => {
    const found = await lines(backupFamilies(info, 1_767_312_110));
    const since = (type: string) =>
      found.find((line) =>
        line.startsWith(
          `pgbackrest_backup_since_last_completion_seconds{backup_type="${type}",block_incr="n"`,
        ),
      );
    assert.match(since('full') ?? '', / 86450$/);
    assert.match(since('diff') ?? '', / 86450$/);
    assert.match(since('incr') ?? '', / 100$/);
    const damaged = found.filter((line) => /^pgbackrest_backup_last_error_status.* 1$/.test(line));
    assert.deepEqual(
      damaged.map((line) => /backup_type="(\w+)"/.exec(line)?.[1]),
      ['incr'],
    );
  });

  test('leave out what pgBackRest does not say', async () => {
    const text = (await lines(backupFamilies(info, 0))).join('\n');
    assert.doesNotMatch(text, /map_bytes|NaN/);
  });

  test('say that pgBackRest failed, and nothing without a repository', async () => {
    assert.deepEqual(await lines(backupFamilies(undefined, 0)), [
      'pgbackrest_exporter_status{stanza="all-stanzas"} 0',
    ]);
    const log = streamLog(process.stderr);
    assert.equal(await scrape((each) => backupListener(async () => 'none', each), log), '');
    const failed = await scrape((each) => backupListener(async () => undefined, each), log);
    assert.match(failed, /^pgbackrest_exporter_status\{stanza="all-stanzas"\} 0$/m);
  });
});

async function scrape(listener: (log: Log) => RequestListener, log: Log): Promise<string> {
  const server = createServer(listener(log));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } finally {
    server.close();
  }
}

describe('metrics of the pooler', () => {
  const tables: Record<string, Record<string, unknown>[]> = {
    POOLS: [{ database: 'shop', user: 'app', cl_active: 3, cl_waiting: 1, maxwait: '2' }],
    DATABASES: [{ name: 'shop', host: null, port: 5432, database: 'shop', pool_size: 20 }],
    STATS_TOTALS: [{ database: 'shop', query_count: '40', query_time: '2500000' }],
    LISTS: [{ list: 'used_clients', items: 4 }],
    CONFIG: [
      { key: 'max_client_conn', value: '100' },
      { key: 'auth_file', value: '/etc/userlist.txt' },
    ],
  };
  const console = (show: PoolerAdmin['show']) => ({ show }) as PoolerAdmin;

  test('have the names and labels of pgbouncer_exporter', async () => {
    const found = await lines(await poolerFamilies(console(async (what) => tables[what] ?? [])));
    assert.deepEqual(found, [
      'pgbouncer_up 1',
      'pgbouncer_pools_client_active_connections{database="shop",user="app"} 3',
      'pgbouncer_pools_client_waiting_connections{database="shop",user="app"} 1',
      'pgbouncer_pools_client_maxwait_seconds{database="shop",user="app"} 2',
      'pgbouncer_databases_pool_size{name="shop",host="",port="5432",database="shop",' +
        'force_user="",pool_mode=""} 20',
      'pgbouncer_stats_queries_pooled_total{database="shop"} 40',
      'pgbouncer_stats_queries_duration_seconds_total{database="shop"} 2.5',
      'pgbouncer_used_clients 4',
      'pgbouncer_config_max_client_connections 100',
    ]);
  });

  test('say that it is down when it does not answer', async () => {
    const silent = console(async () => assert.fail('no console'));
    assert.deepEqual(await lines(await poolerFamilies(silent)), ['pgbouncer_up 0']);
  });
});

/** What pgBackRest says of a repository, read; and printed in the reference's format. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatBackups } from '../../../src/charm/model/backup-list.ts';
import {
  archiveCommand,
  type PgBackRestInput,
  pgbackrestConfig,
} from '../../../src/charm/model/pgbackrest-config.ts';
import { backupId, lsnOf, parseHistory, parseInfo } from '../../../src/charm/model/repository.ts';

const INFO = JSON.stringify([
  {
    name: 'm.postgresql',
    status: { code: 0, message: 'ok' },
    db: [{ id: 1, 'system-id': 0 }],
    archive: [{ id: '15-1', min: '000000010000000000000001', max: '00000003000000000000000A' }],
    backup: [
      {
        label: '20260301-100000F_20260301-110000I',
        type: 'incr',
        timestamp: { start: 1_772_362_800, stop: 1_772_362_860 },
        lsn: { start: '0/5000028', stop: '0/5000138' },
        archive: { start: '000000020000000000000005', stop: '000000020000000000000005' },
        reference: ['20260301-100000F'],
        error: false,
        info: { size: 2000 },
      },
      {
        label: '20260301-100000F',
        type: 'full',
        timestamp: { start: 1_772_359_200, stop: 1_772_359_260 },
        lsn: { start: '0/2000028', stop: '0/2000138' },
        archive: { start: '000000010000000000000002', stop: '000000010000000000000002' },
        reference: null,
        error: true,
        info: { size: 1000 },
      },
    ],
  },
  { name: 'other.app', status: { code: 0, message: 'ok' } },
]).replace('"system-id":0', '"system-id":7312345678901234567');

const timelines = [parseHistory(2, '1\t0/3000000\tno recovery target specified\n', 1_772_361_000)];

describe('repository', () => {
  const read = parseInfo(INFO, 'm.postgresql', timelines);

  test('reads backups in order, exact identifiers and neighbours', () => {
    assert.equal(read.systemIdentifier, '7312345678901234567');
    assert.deepEqual(read.otherStanzas, ['other.app']);
    assert.equal(read.newestWal, '00000003000000000000000A');
    assert.deepEqual(
      read.backups.map(({ label, timeline, reference, error }) => [
        label,
        timeline,
        reference,
        error,
      ]),
      [
        ['20260301-100000F', 1, undefined, true],
        ['20260301-100000F_20260301-110000I', 2, '20260301-100000F', false],
      ],
    );
    assert.deepEqual(read.timelines[0]?.ancestors, [{ id: 1, endLsn: '0/3000000' }]);
  });

  test('a stanza that is not there is none', () => {
    const missing = '[{"name":"m.postgresql","status":{"code":1,"message":"missing stanza path"}}]';
    const none = parseInfo(missing, 'm.postgresql', []);
    assert.deepEqual([none.systemIdentifier, none.backups], [undefined, []]);
  });

  test('the table is the one that scripts of the reference read', () => {
    const lines = formatBackups(read, { bucket: 'backups', path: '/postgresql' }).split('\n');
    assert.equal(lines[0], 'Storage bucket name: backups');
    assert.equal(lines[1], 'Backups base path: /postgresql/backup/');
    assert.equal(lines[2], '');
    assert.match(
      lines[3] ?? '',
      /^backup-id {12}\| action {14}\| status {3}\| reference-backup-id {2}\| LSN start\/stop/,
    );
    assert.match(lines[4] ?? '', /^-+$/);
    assert.equal(
      lines[5],
      '2026-03-01T10:00:00Z | full backup         | failed: page checksum errors | None       ' +
        '          | 0/2000028 / 0/2000138   | 2026-03-01T10:00:00Z | 2026-03-01T10:01:00Z | 1 ' +
        '       | /m.postgresql/20260301-100000F',
    );
    assert.match(lines[6] ?? '', /^2026-03-01T10:30:00Z \| restore {13}\| finished \| None/);
    assert.match(
      lines[7] ?? '',
      /^2026-03-01T11:00:00Z \| incremental backup {2}\| finished \| 2026-03-01T10:00:00Z \| /,
    );
    assert.equal(lines.length, 8);
  });

  test('ids and positions', () => {
    assert.equal(backupId('20260301-100000F_20260302-010203D'), '2026-03-02T01:02:03Z');
    assert.equal(lsnOf('1/0'), 1n << 32n);
    assert.ok(lsnOf('0/FFFFFFFF') < lsnOf('1/0'));
  });
});

describe('configuration', () => {
  const input: PgBackRestInput = {
    stanza: 'm.postgresql',
    s3: {
      bucket: 'backups',
      accessKey: 'ACCESS',
      secretKey: 'SECRET',
      endpoint: 'https://127.0.0.9:9000',
      region: '',
      path: '/postgresql',
      uriStyle: 'path',
      deleteOlderThanDays: undefined,
      tlsCaChain: [],
    },
    caFile: '/b/ca.pem',
    processes: 2,
    blockIncrement: false,
    lock: '/b/lock',
    spool: '/b/spool',
    log: '/b/log',
    own: { address: '127.0.0.1', data: '/d/0', socket: '/b/run' },
    tls: { ca: '/t/ca', cert: '/t/cert', key: '/t/key' },
    port: 8432,
    others: [{ address: '127.0.0.2', member: 'postgresql-1', data: '/d/1', socket: '/c/run' }],
  };

  test('names the store, this unit and the others', () => {
    const text = pgbackrestConfig(input);
    for (const line of [
      'repo1-s3-endpoint=127.0.0.9',
      'repo1-storage-port=9000',
      'repo1-storage-ca-file=/b/ca.pem',
      'process-max=2',
      '[m.postgresql]',
      'pg1-path=/d/0',
      'pg2-host=127.0.0.2',
      'pg2-path=/d/1',
      'tls-server-auth=postgresql-1=m.postgresql',
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
    assert.doesNotMatch(text, /repo1-block/);
    assert.match(pgbackrestConfig({ ...input, blockIncrement: true }), /^repo1-block=y$/m);
  });

  test('a value cannot become a second option', () => {
    const s3 = { ...input.s3, accessKey: 'A\nrepo1-type=posix' };
    assert.throws(() => pgbackrestConfig({ ...input, s3 }), /more than one line/);
  });

  test('the archive command has no secret', () => {
    const command = archiveCommand('/usr/bin/pgbackrest', '/b/etc/pgbackrest.conf', 'm.postgresql');
    const rest = '--config=/b/etc/pgbackrest.conf --stanza=m.postgresql archive-push "%p"';
    assert.equal(command, `/usr/bin/pgbackrest ${rest}`);
  });
});

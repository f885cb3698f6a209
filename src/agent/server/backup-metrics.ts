/**
 * The repository as metrics, from `pgbackrest info --output=json`, named as pgbackrest_exporter
 * names them (github.com/woblerr/pgbackrest_exporter), so that boards and rules for it fit. Pure.
 *
 * Left out is the number of databases in a backup, which would need a call for each backup.
 */
import type { Family } from './exposition.ts';

interface Status {
  code: number;
  lock?: { backup?: Lock; restore?: Lock };
}
interface Lock {
  held?: boolean;
  'size-cplt'?: number;
  size?: number;
}
interface Database {
  id: number;
  'repo-key'?: number;
  version?: string;
}
interface Backup {
  label: string;
  type: 'full' | 'diff' | 'incr';
  timestamp: { start: number; stop: number };
  database: Database;
  prior?: string | null;
  error?: boolean;
  annotation?: Record<string, string>;
  lsn?: { start?: string; stop?: string };
  archive?: { start?: string | null; stop?: string | null };
  backrest?: { version?: string };
  info: { delta: number; size: number; repository: Sizes };
}
interface Sizes {
  delta: number;
  size?: number | null;
  'delta-map'?: number | null;
  'size-map'?: number | null;
}
interface Stanza {
  name: string;
  status: Status;
  repo?: { key: number; cipher?: string; status: { code: number } }[];
  db?: Database[];
  archive?: { database: Database; min?: string | null; max?: string | null }[];
  backup?: Backup[];
}
type Labels = Record<string, string>;

/**
 * @param info the JSON, or undefined when pgBackRest has failed
 * @param now seconds since the epoch
 */
export function backupFamilies(info: string | undefined, now: number): Family[] {
  const status = {
    name: 'pgbackrest_exporter_status',
    help: '1 when pgBackRest has answered',
    samples: [{ labels: { stanza: 'all-stanzas' }, value: Number(info !== undefined) }],
  };
  const stanzas = info === undefined ? [] : (JSON.parse(info) as Stanza[]);
  return [
    status,
    ...stanzaFamilies(stanzas),
    ...backupsOf(stanzas),
    ...newestOf(stanzas, now),
    ...archives(stanzas),
  ];
}

function stanzaFamilies(stanzas: readonly Stanza[]): Family[] {
  const each = (name: string, help: string, value: (status: Status) => number): Family => ({
    name: `pgbackrest_stanza_${name}`,
    help,
    samples: stanzas.map(({ name: stanza, status }) => ({
      labels: { stanza },
      value: value(status),
    })),
  });
  const held = ({ lock }: Status) => Number(lock?.backup?.held === true);
  return [
    each('status', "pgBackRest's code for the stanza, 0 is good", ({ code }) => code),
    // Its name before version 0.20 of the exporter, and since.
    each('lock_status', '1 while a backup or an expire is at work', held),
    each('backup_lock_status', '1 while a backup or an expire is at work', held),
    each('backup_complete_bytes', 'what a running backup has done', ({ lock }) => {
      return lock?.backup?.['size-cplt'] ?? 0;
    }),
    each('backup_total_bytes', 'what a running backup has to do', ({ lock }) => {
      return lock?.backup?.size ?? 0;
    }),
    {
      name: 'pgbackrest_repo_status',
      help: "pgBackRest's code for the repository, 0 is good",
      samples: stanzas.flatMap(({ name: stanza, repo }) =>
        (repo ?? []).map(({ key, cipher, status }) => ({
          labels: { cipher: cipher ?? 'none', repo_key: String(key), stanza },
          value: status.code,
        })),
      ),
    },
  ];
}

const SIZES: readonly [name: string, help: string, value: (backup: Backup) => number][] = [
  ['size_bytes', 'size of the database', ({ info }) => info.size],
  ['delta_bytes', 'what of the database was backed up', ({ info }) => info.delta],
  ['repo_size_bytes', 'what a restore reads', ({ info }) => info.repository.size ?? Number.NaN],
  ['repo_delta_bytes', 'what it takes in the repository', ({ info }) => info.repository.delta],
  [
    'repo_size_map_bytes',
    'size of the map of blocks',
    ({ info }) => info.repository['size-map'] ?? Number.NaN,
  ],
  [
    'repo_delta_map_bytes',
    'size of the map of changed blocks',
    ({ info }) => info.repository['delta-map'] ?? Number.NaN,
  ],
  ['error_status', '1 when pages were found damaged', ({ error }) => Number(error === true)],
  ['annotations', 'annotations', ({ annotation }) => Object.keys(annotation ?? {}).length],
];

function duration({ timestamp: { start, stop } }: Backup): number {
  return stop - start;
}

function backupsOf(stanzas: readonly Stanza[]): Family[] {
  const all = stanzas.flatMap((stanza) =>
    (stanza.backup ?? []).map((backup) => ({ stanza, backup })),
  );
  const family = (
    name: string,
    help: string,
    value: (backup: Backup) => number,
    more: (backup: Backup, stanza: Stanza) => Labels = () => ({}),
  ): Family => ({
    name: `pgbackrest_backup_${name}`,
    help,
    samples: all.map(({ stanza, backup }) => ({
      labels: { ...labelsOf(backup, stanza.name), ...more(backup, stanza) },
      value: value(backup),
    })),
  });
  return [
    family('info', 'a backup', () => 1, describe),
    family('duration_seconds', 'how long it took', duration, ({ timestamp }) => ({
      start_time: clock(timestamp.start),
      stop_time: clock(timestamp.stop),
    })),
    ...SIZES.map(([name, help, value]) => family(name, help, value)),
  ];
}

function labelsOf(backup: Backup, stanza: string): Labels {
  return {
    backup_name: backup.label,
    backup_type: backup.type,
    block_incr: blocks(backup),
    database_id: String(backup.database.id),
    repo_key: String(backup.database['repo-key'] ?? 0),
    stanza,
  };
}

function describe(backup: Backup, stanza: Stanza): Labels {
  return {
    backrest_ver: backup.backrest?.version ?? '',
    lsn_start: backup.lsn?.start ?? '-',
    lsn_stop: backup.lsn?.stop ?? '-',
    pg_version: versionOf(stanza, backup.database),
    prior: backup.prior ?? '',
    wal_start: backup.archive?.start ?? '',
    wal_stop: backup.archive?.stop ?? '',
  };
}

/** A differential counts a full one as its newest too, an incremental every one. */
const COUNTS: Readonly<Record<Backup['type'], readonly Backup['type'][]>> = {
  full: ['full'],
  diff: ['full', 'diff'],
  incr: ['full', 'diff', 'incr'],
};

function newestOf(stanzas: readonly Stanza[], now: number): Family[] {
  const newest = stanzas.flatMap((stanza) =>
    Object.entries(COUNTS).flatMap(([type, counted]) => {
      const backup = stanza.backup?.findLast((each) => counted.includes(each.type));
      if (backup === undefined) return [];
      return [{ type, stanza: stanza.name, backup }];
    }),
  );
  const family = (name: string, help: string, value: (backup: Backup) => number): Family => ({
    name: `pgbackrest_backup_${name}`,
    help: `${help}, newest`,
    samples: newest.map(({ type, stanza, backup }) => ({
      labels: { backup_type: type, block_incr: blocks(backup), stanza },
      value: value(backup),
    })),
  });
  return [
    family('since_last_completion_seconds', 'time since its end', ({ timestamp }) => {
      return now - timestamp.stop;
    }),
    family('last_duration_seconds', 'how long it took', duration),
    ...SIZES.map(([name, help, value]) => family(`last_${name}`, help, value)),
  ];
}

function archives(stanzas: readonly Stanza[]): Family[] {
  return [
    {
      name: 'pgbackrest_wal_archive_status',
      help: '1 when the archive holds WAL',
      samples: stanzas.flatMap((stanza) =>
        (stanza.archive ?? []).map(({ database, min, max }) => ({
          labels: {
            database_id: String(database.id),
            pg_version: versionOf(stanza, database),
            repo_key: String(database['repo-key'] ?? 0),
            stanza: stanza.name,
            // Their values would make a new series with every segment.
            wal_max: '',
            wal_min: '',
          },
          value: Number(Boolean(min) && Boolean(max)),
        })),
      ),
    },
  ];
}

function versionOf({ db }: Stanza, { id, 'repo-key': repo }: Database): string {
  return db?.find((each) => each.id === id && each['repo-key'] === repo)?.version ?? '';
}

function blocks({ info: { repository } }: Backup): string {
  return repository['size-map'] == null || repository['delta-map'] == null ? 'n' : 'y';
}

/** UTC, as `2026-01-02 15:04:05`. */
function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('T', ' ').slice(0, 19);
}

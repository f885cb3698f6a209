/** The table that `list-backups` prints, in the reference's format: scripts read it. Pure. */
import { type Backup, backupId, isoSecond, type Repository, type Timeline } from './repository.ts';

const COLUMNS: [name: string, width: number][] = [
  ['backup-id', 20],
  ['action', 19],
  ['status', 8],
  ['reference-backup-id', 20],
  ['LSN start/stop', 23],
  ['start-time', 20],
  ['finish-time', 20],
  ['timeline', 8],
  ['backup-path', 0],
];
const ACTIONS = {
  full: 'full backup',
  diff: 'differential backup',
  incr: 'incremental backup',
} as const;

export function formatBackups(
  repository: Repository,
  place: { bucket: string; path: string },
): string {
  const rows = [
    ...repository.backups.map((backup) => backupRow(backup, repository.stanza)),
    ...repository.timelines.map(timelineRow),
  ].toSorted(([a = ''], [b = '']) => (a < b ? -1 : Number(a > b)));
  const header = line(COLUMNS.map(([name]) => name));
  return [
    `Storage bucket name: ${place.bucket}`,
    `Backups base path: ${place.path}/backup/`,
    '',
    header,
    '-'.repeat(header.length),
    ...rows.map(line),
  ].join('\n');
}

function backupRow(backup: Backup, stanza: string): string[] {
  return [
    backupId(backup.label),
    ACTIONS[backup.type],
    backup.error ? 'failed: page checksum errors' : 'finished',
    backup.reference === undefined ? 'None' : backupId(backup.reference),
    `${backup.startLsn} / ${backup.stopLsn}`,
    isoSecond(backup.start),
    isoSecond(backup.stop),
    backup.timeline.toString(16).toUpperCase(),
    `/${stanza}/${backup.label}`,
  ];
}

/** Where a restore or a failover began a new line of history: a point to restore along. */
function timelineRow({ id, since }: Timeline): string[] {
  const at = isoSecond(since);
  const timeline = id.toString(16).toUpperCase();
  return [at, 'restore', 'finished', 'None', 'n/a', 'n/a', at, timeline, 'n/a'];
}

function line(cells: readonly string[]): string {
  return cells.map((cell, index) => cell.padEnd(COLUMNS[index]?.[1] ?? 0)).join(' | ');
}

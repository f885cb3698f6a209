/**
 * What a repository holds, from `pgbackrest info --output=json` and the archive's history files:
 * backups, timelines and how one grew out of another. Pure.
 */
export interface Repository {
  stanza: string;
  /** System identifier of the newest database in the stanza; undefined without a stanza. */
  systemIdentifier: string | undefined;
  /** Other stanzas in the same path. */
  otherStanzas: string[];
  /** Ascending by time. */
  backups: Backup[];
  /** Ascending by number; the first timeline has no history file and no entry. */
  timelines: Timeline[];
  /** Newest WAL segment in the archive. */
  newestWal: string | undefined;
}

export interface Backup {
  /** pgBackRest's name: `20260101-120000F`, `20260101-120000F_20260102-120000I` */
  label: string;
  type: 'full' | 'diff' | 'incr';
  /** Seconds since the epoch. */
  start: number;
  stop: number;
  startLsn: string;
  stopLsn: string;
  timeline: number;
  reference: string | undefined;
  /** Page checksum errors were found while it was made. */
  error: boolean;
  /** Bytes of the database when restored. */
  size: number;
}

export interface Timeline {
  id: number;
  /** When its history file was archived, seconds since the epoch. */
  since: number;
  /** The timelines it descends from, oldest first, each with where it was left. */
  ancestors: { id: number; endLsn: string }[];
}

interface InfoBackup {
  label: string;
  type: Backup['type'];
  timestamp: { start: number; stop: number };
  lsn?: { start: string; stop: string };
  archive?: { start: string | null; stop: string | null };
  reference?: string[] | null;
  error?: boolean;
  info?: { size?: number };
}
interface InfoStanza {
  name: string;
  status: { code: number; message: string };
  db?: { id: number; 'system-id': number | string }[];
  archive?: { id: string; min: string | null; max: string | null }[];
  backup?: InfoBackup[];
}

/** pgBackRest's code for a stanza of which there is nothing in the repository. */
const MISSING_STANZA = 1;

/** Names of the archive's directories (`15-1`), from the same document. */
export function archiveIds(json: string, stanza: string): string[] {
  const all = JSON.parse(json) as InfoStanza[];
  return (all.find(({ name }) => name === stanza)?.archive ?? []).map(({ id }) => id);
}

/** @param json of `info` for the whole repository. @throws Error when it is not that */
export function parseInfo(json: string, stanza: string, timelines: Timeline[]): Repository {
  // System identifiers exceed what a JavaScript number holds exactly.
  const all = JSON.parse(json.replace(/("system-id"\s*:\s*)(\d+)/g, '$1"$2"')) as InfoStanza[];
  const own = all.find(({ name, status }) => name === stanza && status.code !== MISSING_STANZA);
  const database = own?.db?.at(-1);
  const newest = own?.archive?.map(({ max }) => max).filter((max) => max !== null);
  return {
    stanza,
    systemIdentifier: database === undefined ? undefined : String(database['system-id']),
    otherStanzas: all.map(({ name }) => name).filter((name) => name !== stanza),
    backups: (own?.backup ?? []).map(readBackup).toSorted((a, b) => a.stop - b.stop),
    timelines: timelines.toSorted((a, b) => a.id - b.id),
    newestWal: newest?.toSorted().at(-1),
  };
}

function readBackup(backup: InfoBackup): Backup {
  return {
    label: backup.label,
    type: backup.type,
    start: backup.timestamp.start,
    stop: backup.timestamp.stop,
    startLsn: backup.lsn?.start ?? '',
    stopLsn: backup.lsn?.stop ?? '',
    timeline: timelineOfWal(backup.archive?.start ?? ''),
    reference: backup.reference?.at(-1),
    error: backup.error === true,
    size: backup.info?.size ?? 0,
  };
}

/** The first eight digits of a segment's name. */
function timelineOfWal(name: string): number {
  const id = Number.parseInt(name.slice(0, 8), 16);
  return Number.isNaN(id) ? 1 : id;
}

/** @param text of `<id>.history`: lines of `<parent> <lsn> <reason>` */
export function parseHistory(id: number, text: string, since: number): Timeline {
  const ancestors = text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    return match === null ? [] : [{ id: Number(match[1]), endLsn: match[2] ?? '' }];
  });
  return { id, since, ancestors };
}

/**
 * Whether recovery from this backup along this timeline is possible: it does not leave it before.
 */
export function leadsTo(backup: Backup, timeline: number, timelines: readonly Timeline[]): boolean {
  if (backup.timeline === timeline) return true;
  const ancestors = timelines.find(({ id }) => id === timeline)?.ancestors ?? [];
  const left = ancestors.find(({ id }) => id === backup.timeline);
  return left !== undefined && lsnOf(backup.stopLsn) <= lsnOf(left.endLsn);
}

export function lsnOf(text: string): bigint {
  const match = /^([0-9A-Fa-f]+)\/([0-9A-Fa-f]+)$/.exec(text);
  return match === null ? 0n : (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** `20260102-120000I` at the end of a label -> `2026-01-02T12:00:00Z`, as it is listed. */
export function backupId(label: string): string {
  const match = /(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)[FDI]$/.exec(label);
  if (match === null) return label;
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

/** Seconds since the epoch -> `2026-01-02T12:00:00Z`. */
export function isoSecond(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

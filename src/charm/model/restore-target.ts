/**
 * Which backup to restore and how far to recover from it, for what an operator asked: a backup, a
 * moment, or the end of what there is. Refuses what the repository cannot give. Pure.
 *
 * A repository holds several histories after restores and failovers; a moment belongs to the one
 * that was being written then, so a change that a restore has undone does not come back.
 */
import { type Backup, backupId, isoSecond, leadsTo, type Repository } from './repository.ts';

export interface RestoreRequest {
  backupId: string | undefined;
  /** A moment, or `latest`. */
  restoreToTime: string | undefined;
}

export interface RestoreTarget {
  /** pgBackRest's label of the backup to begin with. */
  set: string;
  type: 'immediate' | 'time' | 'default';
  /** For `time`: as PostgreSQL reads it, with its zone. */
  target: string | undefined;
  timeline: number;
  /** Bytes that the restored database takes. */
  size: number;
  /** What it amounts to, for people. */
  description: string;
}

export type Selection = ({ ok: true } & RestoreTarget) | { ok: false; reason: string };

const NEITHER =
  'Either backup-id or restore-to-time parameters need to be provided to be able to do restore';
const TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** @param now seconds since the epoch */
export function selectTarget(
  request: RestoreRequest,
  repository: Repository,
  now: number,
): Selection {
  const asked = parseRequest(request);
  if (!asked.ok) return asked;
  const { moment } = asked;
  if (moment !== undefined && moment.micros / 1e6 > now) {
    return refuse(`cannot restore to ${moment.text}: it lies in the future`);
  }
  const usable = repository.backups.filter((backup) => !backup.error);
  if (usable.length === 0) return refuse('cannot restore: the repository holds no backup');
  if (request.backupId === undefined) return byTime(repository, usable, moment);
  return byId(request.backupId, { repository, usable, moment, latest: asked.latest });
}

interface Moment {
  text: string;
  micros: number;
}
type Asked = { ok: true; moment: Moment | undefined; latest: boolean };

/** Checks the parameters alone, before anything is asked of the repository. */
export function parseRequest(request: RestoreRequest): Asked | { ok: false; reason: string } {
  const { backupId: id, restoreToTime: time } = request;
  if ((id ?? '') === '' && (time ?? '') === '') return refuse(NEITHER);
  if (time === undefined || time === '' || time === 'latest') {
    return { ok: true, moment: undefined, latest: time === 'latest' };
  }
  const moment = parseMoment(time);
  return moment === undefined
    ? refuse('Bad restore-to-time format')
    : { ok: true, moment, latest: false };
}

/** `2026-01-02 12:00:00[.123456][+02[:00]]`; without a zone it is UTC. */
export function parseMoment(text: string): Moment | undefined {
  const match = TIME.exec(text.trim());
  if (match === null) return undefined;
  const [, day, time, fraction = '', zone = 'Z'] = match;
  const digits = zone.replace(':', '');
  const offset = zone === 'Z' ? 'Z' : `${digits.slice(0, 3)}:${digits.slice(3) || '00'}`;
  const millis = Date.parse(`${day}T${time}${offset}`);
  if (Number.isNaN(millis)) return undefined;
  // Date.parse rolls 2026-02-30 over into March: a day that does not exist is a mistake.
  const local = new Date(Date.parse(`${day}T${time}Z`)).toISOString();
  if (!local.startsWith(`${day}T${time}`)) return undefined;
  const micros = millis * 1000 + Number(fraction.padEnd(6, '0'));
  return { text: pgTime(micros), micros };
}

function pgTime(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  const fraction = String(micros - seconds * 1e6).padStart(6, '0');
  const text = isoSecond(seconds).replace('T', ' ').replace('Z', '');
  return `${text}.${fraction}+00`;
}

function byTime(repository: Repository, usable: Backup[], moment: Moment | undefined): Selection {
  const timeline = timelineAt(repository, moment);
  const before = usable.filter(
    (backup) =>
      leadsTo(backup, timeline, repository.timelines) &&
      (moment === undefined || backup.stop * 1e6 <= moment.micros),
  );
  const backup = before.at(-1);
  if (backup === undefined) return tooEarly(usable, moment, timeline);
  return along(backup, timeline, moment);
}

interface ById {
  repository: Repository;
  usable: Backup[];
  moment: Moment | undefined;
  latest: boolean;
}

function byId(id: string, { repository, usable, moment, latest }: ById): Selection {
  const backup = usable.find(({ label }) => label === id || backupId(label) === id);
  if (backup === undefined) return byTimeline(id, { repository, usable, moment, latest });
  if (moment !== undefined) {
    if (moment.micros < backup.stop * 1e6) {
      const ended = isoSecond(backup.stop);
      return refuse(`cannot restore ${id} to ${moment.text}: the backup ended at ${ended}`);
    }
    const active = timelineAt(repository, moment);
    const fits = leadsTo(backup, active, repository.timelines);
    return along(backup, fits ? active : backup.timeline, moment);
  }
  if (latest) return along(backup, backup.timeline, undefined);
  return {
    ok: true,
    set: backup.label,
    type: 'immediate',
    target: undefined,
    timeline: backup.timeline,
    size: backup.size,
    description: `backup ${backupId(backup.label)}`,
  };
}

/** The id of a "restore" row: that history, up to a moment or to its end. */
function byTimeline(id: string, { repository, usable, moment, latest }: ById): Selection {
  const timeline = repository.timelines.find(({ since }) => isoSecond(since) === id);
  if (timeline === undefined) return refuse(`Invalid backup-id: ${id}`);
  if (moment === undefined && !latest) {
    return refuse('Cannot restore to the timeline without restore-to-time parameter');
  }
  const before = usable.filter(
    (backup) =>
      leadsTo(backup, timeline.id, repository.timelines) &&
      (moment === undefined || backup.stop * 1e6 <= moment.micros),
  );
  const backup = before.at(-1);
  if (backup === undefined) return tooEarly(usable, moment, timeline.id);
  return along(backup, timeline.id, moment);
}

/** The timeline that was being written at a moment; without one, the newest. */
function timelineAt({ timelines, backups }: Repository, moment: Moment | undefined): number {
  const known = timelines.filter(
    ({ since }) => moment === undefined || since * 1e6 <= moment.micros,
  );
  const first = backups[0]?.timeline ?? 1;
  return known.toSorted((a, b) => a.since - b.since || a.id - b.id).at(-1)?.id ?? first;
}

function along(backup: Backup, timeline: number, moment: Moment | undefined): Selection {
  const from = `backup ${backupId(backup.label)}`;
  const end = moment === undefined ? 'the end of' : `${moment.text} on`;
  return {
    ok: true,
    set: backup.label,
    type: moment === undefined ? 'default' : 'time',
    target: moment?.text,
    timeline,
    size: backup.size,
    description: `${from}, then WAL to ${end} timeline ${timeline}`,
  };
}

function tooEarly(usable: Backup[], moment: Moment | undefined, timeline: number): Selection {
  const first = usable[0];
  if (moment !== undefined && first !== undefined && moment.micros < first.stop * 1e6) {
    const when = `the first backup ended at ${isoSecond(first.stop)}`;
    return refuse(`cannot restore to ${moment.text}: ${when}`);
  }
  const where = moment === undefined ? 'the newest timeline' : moment.text;
  return refuse(`cannot restore to ${where}: no backup leads to timeline ${timeline}`);
}

function refuse(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}

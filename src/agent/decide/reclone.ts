/**
 * When a member that cannot follow its primary is cloned anew, when it has to wait for that, and
 * when it is given up. Pure.
 *
 * Cloning destroys a copy of the data. Only what was seen for long enough counts, nothing that is
 * merely unknown does, and nothing happens while no other member is a primary that serves.
 */
import type { AgentWorld, ClusterMember } from '../../charm/model/world.ts';

/** What one look at this unit's member shows. */
export type Condition =
  | { readonly is: 'following' }
  /** It does not run, and nobody works on its data. */
  | { readonly is: 'down' }
  /** It does not run yet: processes work on its data, a server that recovers or a rewind. */
  | { readonly is: 'worked-on'; readonly pids: readonly number[] }
  /** It runs and waits for this file of WAL, which its primary has no more. */
  | { readonly is: 'starved'; readonly file: string }
  | { readonly is: 'unclear' };

export interface Look {
  /** As Patroni and the primary see it; undefined: no member, or not known. */
  readonly self: ClusterMember | undefined;
  /** Processes that work on its data. */
  readonly pids: readonly number[];
  /** The file of WAL that it waits for, where the primary has removed it. */
  readonly missingWal: string | undefined;
}

/** Patroni's word while it clones (postgresql/bootstrap.py). */
export const CLONING = 'creating replica';
const RUNNING = ['running', 'streaming', 'in archive recovery'];
/**
 * Its words for a server that does not run (postgresql/__init__.py, ha.py). One that cannot start
 * is `starting` nearly all the time: the next start follows at once.
 */
const NOT_RUNNING = ['starting', 'restarting', 'stopped', 'crashed', 'start failed'];
const FAILED = ['stop failed', 'restart failed'];

/** Whether processes on its data say more than Patroni's word. */
export function isNotRunning(self: ClusterMember): boolean {
  const { state, streaming } = self;
  return !streaming && [...NOT_RUNNING, ...FAILED].some((word) => state.startsWith(word));
}

export function conditionOf({ self, pids, missingWal }: Look): Condition {
  if (self === undefined || self.role === 'primary') return { is: 'unclear' };
  if (self.streaming) return { is: 'following' };
  if (isNotRunning(self)) return pids.length === 0 ? { is: 'down' } : { is: 'worked-on', pids };
  const isStarved = RUNNING.includes(self.state) && missingWal !== undefined;
  return isStarved ? { is: 'starved', file: missingWal } : { is: 'unclear' };
}

/** How it has gone so far. Times in milliseconds, of whichever clock `at` is. */
export interface Course {
  readonly condition: Condition;
  /** Since when the condition has been this one. */
  readonly since: number;
  /** How often a server ended, or none was there, since it last followed for a while. */
  readonly falls: number;
  readonly firstFall: number;
  /** Who was last seen at work on its data. */
  readonly pids: readonly number[];
}

/** A member that follows for this long has recovered. */
export const STEADY_MS = 60_000;
/** Patroni starts a member that has ended again in every round, ten seconds at most. */
export const FALLS = 5;
export const TROUBLE_MS = 60_000;
/**
 * Nobody starts it: Patroni itself does not go on. Before a rewind it waits for the checkpoint of a
 * primary that was just promoted, which takes minutes where there is much to write.
 */
export const IDLE_MS = 10 * 60_000;
/** A server that has been at work for longer may be one that recovers. */
const AT_WORK_MS = 30_000;

export function courseAfter(before: Course | undefined, condition: Condition, at: number): Course {
  const pids = condition.is === 'worked-on' ? condition.pids : (before?.pids ?? []);
  const since = before && isSame(before.condition, condition) ? before.since : at;
  const { falls = 0, firstFall = at } = before ?? {};
  if (condition.is === 'following' && at - since >= STEADY_MS) {
    return { condition, since, falls: 0, firstFall: at, pids };
  }
  if (!isFall(before, condition)) return { condition, since, falls, firstFall, pids };
  return { condition, since, falls: falls + 1, firstFall: falls === 0 ? at : firstFall, pids };
}

/** The server that was there is not any more; each end counts once. */
function isFall(before: Course | undefined, condition: Condition): boolean {
  const isDown = before?.condition.is === 'down';
  if (condition.is === 'down') return !isDown;
  if (condition.is !== 'worked-on' || before === undefined || isDown) return false;
  return before.pids.length > 0 && !shares(before.pids, condition.pids);
}

function isSame(a: Condition, b: Condition): boolean {
  if (a.is === 'starved' && b.is === 'starved') return a.file === b.file;
  if (a.is === 'worked-on' && b.is === 'worked-on') return shares(a.pids, b.pids);
  return a.is === b.is;
}

/** Whoever starts a server ends before it does. */
function shares(a: readonly number[], b: readonly number[]): boolean {
  return a.some((pid) => b.includes(pid));
}

/** Why the member cannot follow by itself, as half a sentence; undefined: it may yet. */
export function diagnosis(course: Course, at: number): string | undefined {
  const { condition, since, falls, firstFall } = course;
  if (condition.is === 'starved' && at - since >= TROUBLE_MS) {
    return `the primary has no more the WAL that it needs (${condition.file})`;
  }
  const isDown = condition.is === 'down';
  const isStarting = condition.is === 'worked-on' && at - since < AT_WORK_MS;
  if (falls >= FALLS && at - firstFall >= TROUBLE_MS && (isDown || isStarting)) {
    return `PostgreSQL ended ${falls} times and never followed for a minute`;
  }
  return isDown && at - since >= IDLE_MS ? 'PostgreSQL does not run, nor start' : undefined;
}

export interface Surroundings extends Pick<AgentWorld, 'cluster' | 'database' | 'work' | 'jobs'> {
  /** Member that would be cloned. */
  readonly member: string;
  /** Data of before a restore lie beside their place. */
  readonly oldData: boolean;
}

/** Why a member must not be cloned now, as half a sentence; undefined: it may. */
export function cloneObstacle(around: Surroundings): string | undefined {
  const { cluster, database, work, jobs, member, oldData } = around;
  if (!cluster.known) return `the cluster is not known: ${cluster.reason}`;
  const { members, paused, initialized } = cluster.value;
  const self = members.find(({ name }) => name === member);
  const primary = members.find(({ role }) => role === 'primary');
  if (self === undefined) return 'it is no member of the cluster';
  if (primary === undefined) return 'no member is primary';
  if (primary.name === member) return 'it is the primary';
  if (paused) return 'failover is paused';
  if (self.state === CLONING) return 'it is being cloned';
  if (primary.state !== 'running' || !database.known) return 'the primary does not answer';
  if (initialized !== database.value.systemIdentifier) return 'the primary has another database';
  // Whoever has seen a later promotion than the primary may hold rows that the primary lacks.
  if ((self.timeline ?? 0) > (primary.timeline ?? Number.POSITIVE_INFINITY)) {
    return `its timeline ${self.timeline} is newer than the primary's, ${primary.timeline}`;
  }
  if (work?.outcome === 'running') return `${work.kind} is in progress`;
  const job = jobs.find(({ state }) => state === 'running');
  if (job !== undefined) return `${job.kind} is in progress`;
  return oldData ? 'data of before a restore are still beside its own' : undefined;
}

/** What outlives the agent. */
export interface CloneRecord {
  /** When it was cloned by itself. */
  readonly attempts: readonly number[];
  /** Why it is not any more, until it follows again or an operator says so. */
  readonly quarantined?: string;
}

export const NO_CLONES: CloneRecord = { attempts: [] };
/** Attempts that are older count no more. */
const REMEMBERED_MS = 24 * 60 * 60_000;
/** Time since the attempt before: by its number, from the first that has one. */
const PAUSES_MS = [5 * 60_000, 30 * 60_000];
export const ATTEMPTS = PAUSES_MS.length + 1;
/** One that has followed for this long needs no operator. */
const LIFTED_MS = 10 * 60_000;

export type CloneMove =
  | { readonly move: 'none' }
  | { readonly move: 'lift' }
  | { readonly move: 'clone'; readonly reason: string }
  | { readonly move: 'wait'; readonly reason: string; readonly for: string }
  | { readonly move: 'quarantine'; readonly reason: string };

export function decideClone(
  course: Course,
  record: CloneRecord,
  obstacle: string | undefined,
  at: number,
): CloneMove {
  const { condition, since } = course;
  if (record.quarantined !== undefined) {
    const follows = condition.is === 'following' && at - since >= LIFTED_MS;
    return { move: follows ? 'lift' : 'none' };
  }
  const reason = diagnosis(course, at);
  if (reason === undefined) return { move: 'none' };
  const attempts = recent(record.attempts, at);
  // An obstacle first: what cannot be tried has not failed.
  if (obstacle !== undefined) return { move: 'wait', reason, for: obstacle };
  if (attempts.length >= ATTEMPTS) return { move: 'quarantine', reason };
  const pause = PAUSES_MS[attempts.length - 1] ?? 0;
  const left = (attempts.at(-1) ?? 0) + pause - at;
  if (attempts.length === 0 || left <= 0) return { move: 'clone', reason };
  return { move: 'wait', reason, for: `the last time was within ${pause / 60_000} minutes` };
}

export function withAttempt(record: CloneRecord, at: number): CloneRecord {
  return { ...record, attempts: [...recent(record.attempts, at), at] };
}

/** A clock that was set back must not make an attempt count for ever. */
function recent(attempts: readonly number[], at: number): number[] {
  return attempts.filter((time) => time <= at && at - time < REMEMBERED_MS);
}

/** @returns undefined for a text that is no record: it then counts as none */
export function readCloneRecord(text: string | undefined): CloneRecord | undefined {
  try {
    const { attempts, quarantined } = JSON.parse(text ?? '') as Record<string, unknown>;
    if (!Array.isArray(attempts) || !attempts.every(Number.isFinite)) return undefined;
    return { attempts, ...(typeof quarantined === 'string' ? { quarantined } : {}) };
  } catch {
    return undefined;
  }
}

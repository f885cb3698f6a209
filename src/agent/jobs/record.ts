/**
 * What a job leaves on disk, one directory each, so that it is found again by an agent that did not
 * start it. `job.json` is the engine's; `process.json`, `outcome.json` and `log` are the job's own.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startTime } from '../../../lib/machine/processes.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import type { JobView } from '../../charm/model/world.ts';

export interface JobFile {
  id: string;
  kind: JobView['kind'];
  params: Record<string, string>;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/** The pid with its start in clock ticks: together they name one process for good. */
export interface ProcessFile {
  pid: number;
  ticks: number;
}

export interface OutcomeFile {
  state: 'done' | 'failed' | 'cancelled';
  message: string;
  result: Record<string, string>;
  endedAt: number;
}

/** A job that has not named its process by then never began. */
const BEGIN_MS = 30_000;

export function jobPaths(directory: string, id: string) {
  const place = join(directory, id);
  return {
    place,
    job: join(place, 'job.json'),
    process: join(place, 'process.json'),
    outcome: join(place, 'outcome.json'),
    log: join(place, 'log'),
  };
}

export async function createJob(directory: string, job: JobFile): Promise<void> {
  const { place, job: file } = jobPaths(directory, job.id);
  await mkdir(place, { recursive: true, mode: 0o700 });
  await writeAtomic(file, JSON.stringify(job));
}

/** Ids of all jobs, the oldest first; an id begins with its time. */
export async function jobIds(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Undefined when there is no such job. */
export async function readJob(
  directory: string,
  id: string,
  now: number,
): Promise<(JobView & { pid: number | undefined }) | undefined> {
  const paths = jobPaths(directory, id);
  const job = await readJson<JobFile>(paths.job);
  if (job === undefined) return undefined;
  const { kind, startedAt } = job;
  // The process before its outcome: it writes the outcome and then ends. Read once, for a job that
  // names its process between two looks would seem to have ended.
  const named = await readJson<ProcessFile>(paths.process);
  const running = await livingPid(named);
  const outcome = await readJson<OutcomeFile>(paths.outcome);
  if (outcome !== undefined) {
    const { state, endedAt, message, result } = outcome;
    return { id, kind, state, startedAt, endedAt, message, result, pid: undefined };
  }
  if (running !== undefined || (named === undefined && now - startedAt < BEGIN_MS)) {
    const message = await lastLine(paths.log);
    const view = { id, kind, startedAt, endedAt: undefined, message, result: {} };
    return { ...view, state: 'running', pid: running };
  }
  const message =
    named === undefined
      ? 'its process never began; ask for it again'
      : `its process ended without a result: ${await lastLine(paths.log)}`;
  const endedAt = await stat(paths.log).then(
    ({ mtimeMs }) => Math.round(mtimeMs),
    () => startedAt,
  );
  return { id, kind, startedAt, endedAt, message, result: {}, state: 'failed', pid: undefined };
}

export async function removeJob(directory: string, id: string): Promise<void> {
  await rm(jobPaths(directory, id).place, { recursive: true, force: true });
}

async function livingPid(named: ProcessFile | undefined): Promise<number | undefined> {
  if (named === undefined) return undefined;
  return (await startTime(named.pid)) === named.ticks ? named.pid : undefined;
}

async function lastLine(file: string): Promise<string> {
  return ((await readIfExists(file)) ?? '').trimEnd().split('\n').at(-1) ?? '';
}

async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readIfExists(file);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

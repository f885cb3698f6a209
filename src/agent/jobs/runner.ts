/**
 * The process of one job: `node runner.js <directory of the job>`. Names itself on disk, does the
 * job, leaves its outcome, and ends. It outlives the agent that started it.
 */
import { join } from 'node:path';
import process from 'node:process';
import { startTime } from '../../../lib/machine/processes.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import { Secret } from '../../../lib/std/secret.ts';
import type { Desired } from '../../charm/model/desired.ts';
import type { JobView } from '../../charm/model/world.ts';
import { createPgBackRest } from '../../charm/workload/pgbackrest.ts';
import { openStore } from '../../charm/workload/s3.ts';
import { connectSql } from '../../charm/workload/sql.ts';
import { backupJob } from './backup.ts';
import type { JobContext, JobKind } from './kind.ts';
import { listJob } from './list.ts';
import type { JobFile, OutcomeFile } from './record.ts';
import { restoreJob } from './restore.ts';
import { stanzaJob } from './stanza.ts';

const KINDS: Record<JobView['kind'], JobKind> = {
  backup: backupJob,
  restore: restoreJob,
  stanza: stanzaJob,
  list: listJob,
};

/** @param place the job's directory, below `jobs/` beside desired.json */
export async function runJob(place: string, signal: AbortSignal): Promise<OutcomeFile> {
  const job = JSON.parse((await readIfExists(join(place, 'job.json'))) ?? '{}') as JobFile;
  const ticks = (await startTime(process.pid)) ?? 0;
  await writeAtomic(join(place, 'process.json'), JSON.stringify({ pid: process.pid, ticks }));
  const outcome = await attempt(place, job, signal);
  await writeAtomic(join(place, 'outcome.json'), JSON.stringify(outcome));
  return outcome;
}

async function attempt(place: string, job: JobFile, signal: AbortSignal): Promise<OutcomeFile> {
  try {
    const context = await contextOf(place, job, signal);
    const result = await KINDS[job.kind](context);
    return { state: 'done', message: 'done', result, endedAt: Date.now() };
  } catch (error) {
    if (signal.aborted) {
      const message = 'ended because it was asked to';
      return { state: 'cancelled', message, result: {}, endedAt: Date.now() };
    }
    // A bug shows its stack in the log; the operator reads the message.
    if (!(error instanceof OperatorError)) console.log(error);
    return { state: 'failed', message: explain(error), result: {}, endedAt: Date.now() };
  }
}

async function contextOf(place: string, job: JobFile, signal: AbortSignal): Promise<JobContext> {
  const text = (await readIfExists(join(place, '..', '..', 'desired.json'))) ?? '{}';
  const desired = JSON.parse(text) as Desired;
  const { backup, serverUser, postgres, paths } = desired;
  if (backup === undefined) {
    throw new OperatorError({
      code: 's3-relation-missing',
      message: 'Relation with s3-integrator charm missing, cannot create/restore backup.',
      hint: 'integrate this application with an object store',
    });
  }
  const user = process.getuid?.() === 0 ? serverUser : undefined;
  return {
    id: job.id,
    params: job.params,
    desired,
    backup,
    say: (line) => console.log(line),
    pgbackrest: createPgBackRest({ config: backup.config, stanza: backup.stanza, user }),
    store: () => openStore(backup.s3),
    localSql: () =>
      connectSql({
        host: paths.run,
        port: postgres.port,
        user: postgres.superuser,
        password: new Secret(postgres.password),
        database: 'postgres',
        applicationName: 'pgcharm-job',
      }),
    signal,
  };
}

function explain(error: unknown): string {
  if (!(error instanceof OperatorError) || error.hint === undefined) return messageOf(error);
  return `${error.message} (${error.hint})`;
}

if (import.meta.main) {
  const end = new AbortController();
  // Sent to the whole group: the programs that the job runs end by themselves.
  process.on('SIGTERM', () => end.abort());
  const { state } = await runJob(process.argv[2] ?? '.', end.signal);
  process.exitCode = state === 'done' ? 0 : 1;
}

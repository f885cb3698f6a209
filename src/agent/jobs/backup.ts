/**
 * Makes one backup: from a replica where one can be reached, so that the primary serves its
 * clients, and from the primary itself otherwise. Writes who asked for it beside it, and its log.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { backupId, type Repository } from '../../charm/model/repository.ts';
import type { BackupType } from '../../charm/workload/pgbackrest.ts';
import type { ObjectStore } from '../../charm/workload/s3.ts';
import type { JobContext, JobKind } from './kind.ts';
import { foreignReason, OWNER_KEY, readRepository } from './repository-facts.ts';

const TYPES: Readonly<Record<string, BackupType>> = {
  full: 'full',
  differential: 'diff',
  incremental: 'incr',
};
const MAX_LINES = 5000;

export const backupJob: JobKind = async (context) => {
  const asked = context.params['type'] ?? 'full';
  const type = TYPES[asked];
  if (type === undefined) {
    throw refusal(
      `Invalid backup type: ${asked}. Possible values: full, differential, incremental.`,
    );
  }
  const store = await context.store();
  const lines: string[] = [];
  try {
    await store.headBucket();
    const repository = await readRepository(context, store);
    await refuseForeign(context, store, repository);
    checkReady(asked, type, repository);
    await announce(context, store);
    const label = await run(context, type, (line) => {
      if (lines.length < MAX_LINES) lines.push(line);
      const shown = readable(line);
      if (shown !== undefined) context.say(shown);
    });
    await keepLog(context, store, label, lines);
    // Once more: pgBackRest removes what is called `latest` when a backup ends.
    await announce(context, store);
    context.say(`backup ${backupId(label)} created`);
    return { 'backup-status': 'backup created', 'backup-id': backupId(label) };
  } catch (error) {
    const when = new Date()
      .toISOString()
      .replace(/[-:]|\.\d+Z/g, '')
      .replace('T', '-');
    if (lines.length > 0) await keepLog(context, store, `failed-${when}`, lines);
    throw error;
  } finally {
    store.close();
  }
};

async function refuseForeign(
  context: JobContext,
  store: ObjectStore,
  repository: Repository,
): Promise<void> {
  const reason = foreignReason({
    owner: await store.get(OWNER_KEY),
    modelUuid: context.desired.unit.modelUuid,
    repository,
    systemIdentifier: undefined,
  });
  if (reason === undefined) return;
  throw refusal(`the S3 repository has backups from another cluster: ${reason}`);
}

function checkReady(asked: string, type: BackupType, repository: Repository): void {
  if (repository.systemIdentifier === undefined) throw refusal('Stanza was not initialised');
  if (type !== 'full' && !repository.backups.some((backup) => backup.type === 'full')) {
    throw refusal(`Invalid backup type: ${asked}. No previous full backup to reference.`);
  }
}

/** Who asked for what, as the reference's clients read it; times are UTC. */
async function announce(context: JobContext, store: ObjectStore): Promise<void> {
  const { model, app, name } = context.desired.unit;
  const text = [
    `Date Backup Requested: ${new Date().toISOString().replace(/\.\d+Z$/, 'Z')}`,
    `Model Name: ${model}`,
    `Application Name: ${app}`,
    `Unit Name: ${name}`,
    `Juju Version: ${context.params['juju-version'] ?? ''}`,
    '',
  ].join('\n');
  try {
    await store.put(`backup/${context.backup.stanza}/latest`, text);
  } catch (error) {
    throw refusal(`Failed to upload metadata to provided S3: ${messageOf(error)}`);
  }
}

async function run(
  context: JobContext,
  type: BackupType,
  onLine: (line: string) => void,
): Promise<string> {
  const others = context.desired.members.length > 1;
  const primary = await isPrimary(context);
  if (!others && !primary) throw refusal('Unit cannot perform backups: the database is offline');
  if (!others) return context.pgbackrest.backup(type, false, onLine);
  try {
    return await context.pgbackrest.backup(type, true, onLine);
  } catch (error) {
    if (!primary || context.signal.aborted) throw explained(error);
    context.say(`no replica could be used (${messageOf(error)}): backing up from the primary`);
    return context.pgbackrest.backup(type, false, onLine);
  }
}

async function isPrimary(context: JobContext): Promise<boolean> {
  try {
    const sql = await context.localSql();
    try {
      const [row] = await sql.query<{ primary: boolean }>(
        'SELECT NOT pg_catalog.pg_is_in_recovery() AS primary',
      );
      return row?.primary === true;
    } finally {
      await sql.close();
    }
  } catch {
    return false;
  }
}

/** The log is for later; a backup that exists is not failed for it. */
async function keepLog(
  context: JobContext,
  store: ObjectStore,
  label: string,
  lines: readonly string[],
): Promise<void> {
  const text = ['Stdout:', ...lines, '', 'Stderr:', ''].join('\n');
  await store.put(`backup/${context.backup.stanza}/${label}/backup.log`, text).catch((error) => {
    context.say(`Error uploading logs to S3: ${messageOf(error)}`);
  });
}

/** pgBackRest's line without time, process and its own command line; undefined: of no interest. */
export function readable(line: string): string | undefined {
  const match = /^(?:\d{4}-\d\d-\d\d [\d:.]+ )?P\d+\s+(\w+): (.*)$/.exec(line);
  if (match === null) return line.trim() === '' ? undefined : line.trim();
  const [, level = '', text = ''] = match;
  if (/command (begin|end)/.test(text) || level === 'DETAIL' || level === 'DEBUG') return undefined;
  return level === 'INFO' ? text : `${level.toLowerCase()}: ${text}`;
}

function explained(error: unknown): unknown {
  if (!(error instanceof OperatorError)) return error;
  return refusal(`Failed to backup PostgreSQL with error: ${error.message}`);
}

function refusal(message: string): OperatorError {
  return new OperatorError({ code: 'backup-refused', message });
}

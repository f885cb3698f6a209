/**
 * Looks at the repository and, on the primary, makes it ready: the bucket, the stanza, the mark of
 * ownership. What is wrong with it becomes a view that the charm shows as its status; a repository
 * of somebody else is never written to.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Repository } from '../../charm/model/repository.ts';
import type { RepositoryView } from '../../charm/model/world.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import type { ObjectStore } from '../../charm/workload/s3.ts';
import type { JobContext, JobKind } from './kind.ts';
import { foreignReason, OWNER_KEY, readRepository } from './repository-facts.ts';

interface ServerFacts {
  primary: boolean;
  systemIdentifier: string;
  archiveCommand: string;
  /** The last attempt to archive a segment succeeded. */
  archived: boolean;
}

export const stanzaJob: JobKind = async (context) => {
  const view = await lookAndPrepare(context);
  context.say(view.message === '' ? `repository: ${view.stanza}` : view.message);
  return { view: JSON.stringify(view), digest: context.params['digest'] ?? '' };
};

async function lookAndPrepare(context: JobContext): Promise<RepositoryView> {
  const server = await serverFacts(context).catch(() => undefined);
  let store: ObjectStore | undefined;
  try {
    store = await context.store();
    if (server?.primary === true) await store.ensureBucket();
    else await store.headBucket();
    return await prepare(context, store, server);
  } catch (error) {
    if (server?.primary !== true && isMissingBucket(error)) return notYet([]);
    const stanza = isStoreTrouble(error) ? 'unreachable' : 'mismatch';
    return { stanza, message: explain(error), backups: [], archiving: false };
  } finally {
    store?.close();
  }
}

async function prepare(
  context: JobContext,
  store: ObjectStore,
  server: ServerFacts | undefined,
): Promise<RepositoryView> {
  const repository = await readRepository(context, store);
  const reason = foreignReason({
    owner: await store.get(OWNER_KEY),
    modelUuid: context.desired.unit.modelUuid,
    repository,
    systemIdentifier: server?.systemIdentifier,
  });
  if (reason !== undefined) return viewOf(repository, { stanza: 'foreign', message: reason });
  if (repository.systemIdentifier !== undefined) return ready(context, repository, server);
  if (server?.primary !== true) {
    return notYet(viewOf(repository, { stanza: 'missing', message: '' }).backups);
  }
  // The mark first: a crash between the two leaves a path that is ours and empty.
  await store.put(OWNER_KEY, `${context.desired.unit.modelUuid}\n`);
  context.say(`creating stanza ${context.backup.stanza}`);
  await context.pgbackrest.stanzaCreate();
  return ready(context, await readRepository(context, store), server);
}

/** The primary's agent makes bucket and stanza. */
function notYet(backups: RepositoryView['backups']): RepositoryView {
  const message = 'the primary has yet to prepare it';
  return { stanza: 'missing', message, backups, archiving: false };
}

async function ready(
  context: JobContext,
  repository: Repository,
  server: ServerFacts | undefined,
): Promise<RepositoryView> {
  const archives = server?.archiveCommand.includes('archive-push') === true;
  const done = { stanza: 'ok', message: '' } as const;
  if (server?.primary !== true || !archives) {
    // A replica archives nothing; what it would say of archiving is the primary's to say.
    return viewOf(repository, done, server?.primary !== true);
  }
  if (server.archived) return viewOf(repository, done, true);
  try {
    context.say('checking that WAL reaches the repository');
    await context.pgbackrest.check();
    return viewOf(repository, done, true);
  } catch (error) {
    return viewOf(repository, { ...done, message: `WAL is not archived: ${explain(error)}` });
  }
}

function viewOf(
  repository: Repository,
  view: Pick<RepositoryView, 'stanza' | 'message'>,
  archiving = false,
): RepositoryView {
  const backups = repository.backups.map(({ label, type, error, stop }) => {
    return { label, type, error, stop };
  });
  return { ...view, backups, archiving };
}

async function serverFacts(context: JobContext): Promise<ServerFacts> {
  const sql = await context.localSql();
  try {
    return await queryFacts(sql);
  } finally {
    await sql.close();
  }
}

async function queryFacts(sql: SqlPort): Promise<ServerFacts> {
  const [row] = await sql.query<{
    recovery: boolean;
    system: string;
    command: string;
    archived: boolean;
  }>(`
    SELECT pg_catalog.pg_is_in_recovery() AS recovery,
      (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
      pg_catalog.current_setting('archive_command') AS command,
      (SELECT last_archived_time > now() - interval '1 hour'
        AND last_archived_time > coalesce(last_failed_time, '-infinity')
        FROM pg_catalog.pg_stat_archiver) AS archived`);
  return {
    primary: row?.recovery === false,
    systemIdentifier: row?.system ?? '',
    archiveCommand: row?.command ?? '',
    archived: row?.archived === true,
  };
}

function isMissingBucket(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 's3-bucket-missing';
}

function isStoreTrouble(error: unknown): boolean {
  return error instanceof OperatorError && error.code.startsWith('s3-');
}

function explain(error: unknown): string {
  if (!(error instanceof OperatorError)) return messageOf(error);
  return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
}

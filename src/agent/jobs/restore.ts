/**
 * Restores this unit's database beside its old data: fetches the backup, recovers on a server of
 * its own, proves the result, and leaves clean data for Patroni. Removes nothing of before; what to
 * do with it is decided by the work that asked for this job.
 */
import { chown, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import { scramVerifier } from '../../charm/workload/scram.ts';
import { ddl, identifier, literal } from '../../charm/workload/sql.ts';
import { readable } from './backup.ts';
import type { JobContext, JobKind } from './kind.ts';
import { asideOf, endServerOn, moveAside, walOf } from './old-data.ts';
import { startPrivateServer } from './private-server.ts';

/**
 * Params: `tag` (names the old data), `set`, `type`, `target`, `timeline`, `system-identifier`.
 * Results: `timeline`, `until` (time of the last transaction).
 */
export const restoreJob: JobKind = async (context) => {
  const { desired, params } = context;
  const { dataDir } = desired.paths;
  const tag = params['tag'] ?? '';
  await endServerOn(dataDir);
  context.say('moving the old data aside');
  await moveAside(dataDir, tag);
  await makeDirectory(context, dataDir);
  context.say(`fetching backup ${params['set']}`);
  await context.pgbackrest.restore(restoreOptions(params), (line) => {
    const shown = readable(line);
    // It warns that WAL is restored within the data, which the next step mends.
    if (shown !== undefined && !shown.includes("link 'pg_wal'")) context.say(shown);
  });
  await moveWalOut(context, await walOf(asideOf(dataDir, tag)));
  return recover(context);
};

function restoreOptions(params: JobContext['params']): string[] {
  const { set, type, target, timeline } = params;
  return [
    `--set=${set}`,
    `--type=${type}`,
    // A backup as it was needs none: its own is the one it is on.
    ...(type === 'immediate' ? [] : [`--target-timeline=${timeline}`]),
    ...(type === 'time' ? [`--target=${target}`] : []),
    ...(type === 'default' ? [] : ['--target-action=promote']),
  ];
}

async function recover(context: JobContext): Promise<Record<string, string>> {
  const { desired, say, signal, params } = context;
  say('recovering on a server of its own');
  const server = await startPrivateServer({ desired, say, signal });
  try {
    await server.promoted();
    const sql = await server.sql();
    try {
      const proof = await prove(sql, params['system-identifier']);
      say(`recovered up to ${proof['until']}, timeline ${proof['timeline']}`);
      await settle(context, sql);
      return proof;
    } finally {
      await sql.close();
    }
  } finally {
    await server.stop();
  }
}

/** Restored, it is a read-write database of the same system whose catalogs can be read. */
async function prove(
  sql: SqlPort,
  systemIdentifier: string | undefined,
): Promise<Record<string, string>> {
  const [row] = await sql.query<Record<'system' | 'timeline' | 'until', string>>(`
    SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
      pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)
        AS timeline,
      coalesce(pg_catalog.pg_last_xact_replay_timestamp()::text, 'the backup itself') AS until`);
  if (row === undefined || (systemIdentifier && row.system !== systemIdentifier)) {
    throw new OperatorError({
      code: 'restored-foreign',
      message: `cannot use what was restored: it is database ${row?.system}, not this one`,
    });
  }
  // Only a writable server gives a number to a transaction.
  await sql.query('SELECT pg_catalog.pg_current_xact_id()');
  return { timeline: String(Number.parseInt(row.timeline, 16)), until: row.until };
}

/** Roles of the backup may have older passwords; recovery's own settings have served. */
async function settle(context: JobContext, sql: SqlPort): Promise<void> {
  for (const [role, password] of Object.entries(await systemLogins(context))) {
    const verifier = await scramVerifier(password);
    const [known] = await sql.query('SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1', [role]);
    if (known === undefined) continue;
    const statement = ddl`ALTER ROLE ${identifier(role)} PASSWORD ${literal(verifier)}`;
    await sql.query(String(statement));
  }
  const settings = await sql.query<{ name: string }>(
    "SELECT name FROM pg_catalog.pg_settings WHERE name = 'restore_command' " +
      "OR name LIKE 'recovery\\_target%'",
  );
  for (const { name } of settings) {
    await sql.query(String(ddl`ALTER SYSTEM RESET ${identifier(name)}`));
  }
  await sql.query('CHECKPOINT');
}

/** The logins that Patroni uses, as the charm has written them. */
async function systemLogins({ desired }: JobContext): Promise<Record<string, string>> {
  const { parse } = await import('yaml');
  const text = (await readIfExists(join(desired.paths.etc, 'patroni.yaml'))) ?? '';
  const config = parse(text) as {
    postgresql?: { authentication?: Record<string, { username?: string; password?: string }> };
  } | null;
  const logins = Object.values(config?.postgresql?.authentication ?? {});
  const { superuser, password } = desired.postgres;
  return {
    [superuser]: password,
    ...Object.fromEntries(logins.map(({ username = '', password: own = '' }) => [username, own])),
  };
}

/** pgBackRest restores WAL's directory within the data; here it lies on a storage of its own. */
async function moveWalOut(context: JobContext, wal: string | undefined): Promise<void> {
  if (wal === undefined) return;
  const inside = join(context.desired.paths.dataDir, 'pg_wal');
  await rm(inside, { recursive: true, force: true });
  await makeDirectory(context, wal);
  await makeDirectory(context, join(wal, 'archive_status'));
  await symlink(wal, inside);
}

async function makeDirectory({ desired }: JobContext, path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const user = process.getuid?.() === 0 ? desired.serverUser : undefined;
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

/**
 * PostgreSQL on restored data before anybody else sees it: no network, a socket in a directory that
 * only its user enters, no archiving. Recovers to the target, is promoted and proven there, and is
 * shut down cleanly; Patroni gets the data only then.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../../lib/std/clock.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Desired } from '../../charm/model/desired.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import { connectSql } from '../../charm/workload/sql.ts';

export interface PrivateServer {
  /** Waits until recovery has reached its target. @throws OperatorError `recovery-failed` */
  promoted(): Promise<void>;
  sql(): Promise<SqlPort>;
  /** Shuts down cleanly; nothing runs on the data afterwards. */
  stop(): Promise<void>;
}

const PROBE_MS = 300;
const PROGRESS_MS = 5000;
const KEPT_LINES = 40;
/** Any will do: the socket's name contains it, and nobody else is in the directory. */
const PORT = 5432;

export interface PrivateServerOptions {
  desired: Desired;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function startPrivateServer(options: PrivateServerOptions): Promise<PrivateServer> {
  const { desired } = options;
  const user = process.getuid?.() === 0 ? desired.serverUser : undefined;
  const place = join(desired.paths.run, 'restore');
  await preparePlace(place, user);
  const child = spawn(join(desired.postgres.binDir, 'postgres'), argumentsFor(desired, place), {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (said.push(line) > KEPT_LINES) said.shift();
    });
  }
  const ended = once(child, 'close');
  const stop = async () => {
    if (isRunning(child)) child.kill('SIGINT');
    await ended;
    await rm(place, { recursive: true, force: true });
  };
  options.signal.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
  const sql = () => connect(place, desired.postgres.superuser);
  return { promoted: () => waitForPromotion({ child, said, sql, options }), sql, stop };
}

async function preparePlace(
  place: string,
  user: { uid: number; gid: number } | undefined,
): Promise<void> {
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true, mode: 0o700 });
  // Whoever can enter the directory is the servers' user or root: no password is needed.
  await writeFile(join(place, 'hba.conf'), 'local all all trust\n', { mode: 0o600 });
  await writeFile(join(place, 'ident.conf'), '', { mode: 0o600 });
  if (user === undefined) return;
  for (const path of [place, join(place, 'hba.conf'), join(place, 'ident.conf')]) {
    await chown(path, user.uid, user.gid);
  }
}

/** What the restored files say of addresses, access and replication was another server's. */
function argumentsFor({ paths }: Desired, place: string): string[] {
  const settings = {
    listen_addresses: '',
    // Files of certificates that it names may be long gone.
    ssl: 'off',
    port: String(PORT),
    unix_socket_directories: place,
    hba_file: join(place, 'hba.conf'),
    ident_file: join(place, 'ident.conf'),
    // Segments wait for the real archive command; none is lost and none is sent from here.
    archive_command: '',
    primary_conninfo: '',
    primary_slot_name: '',
    synchronous_standby_names: '',
    hot_standby: 'on',
    logging_collector: 'off',
    log_destination: 'stderr',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', paths.dataDir, ...flags];
}

interface Waiting {
  child: ChildProcess;
  said: string[];
  sql: () => Promise<SqlPort>;
  options: PrivateServerOptions;
}

async function waitForPromotion({ child, said, sql, options }: Waiting): Promise<void> {
  let shown = Date.now();
  while (isRunning(child)) {
    const state = await sql()
      .then(recoveryState)
      .catch(() => undefined);
    if (state?.recovering === false) return;
    if (state !== undefined && Date.now() - shown >= PROGRESS_MS) {
      shown = Date.now();
      options.say(`recovering: at ${state.position}, last transaction of ${state.time}`);
    }
    await systemClock.sleep(PROBE_MS);
  }
  throw new OperatorError({
    code: 'recovery-failed',
    message: `cannot recover: ${reasonOf(said)}`,
    hint: 'choose another backup-id or restore-to-time; the old data are put back',
  });
}

async function recoveryState(connection: SqlPort) {
  try {
    const [row] = await connection.query<{
      recovering: boolean;
      position: string | null;
      time: string | null;
    }>(`SELECT pg_catalog.pg_is_in_recovery() AS recovering,
        pg_catalog.pg_last_wal_replay_lsn()::text AS position,
        pg_catalog.pg_last_xact_replay_timestamp()::text AS time`);
    return row;
  } finally {
    await connection.close();
  }
}

function reasonOf(said: readonly string[]): string {
  const fatal = said.filter((line) => /\b(FATAL|PANIC):/.test(line)).at(-1) ?? said.at(-1);
  const text = fatal?.replace(/^.*?\b(?:FATAL|PANIC|LOG):\s*/, '') ?? 'PostgreSQL said nothing';
  return text.includes('before configured recovery target was reached')
    ? 'the archive ends before that moment'
    : text;
}

function connect(place: string, user: string): Promise<SqlPort> {
  return connectSql({
    host: place,
    port: PORT,
    user,
    database: 'postgres',
    connectTimeoutMs: 2000,
    statementTimeoutMs: 600_000,
    applicationName: 'pgcharm-restore',
  }).catch((error: unknown) => {
    throw new OperatorError({ code: 'sql-unreachable', message: messageOf(error), cause: error });
  });
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

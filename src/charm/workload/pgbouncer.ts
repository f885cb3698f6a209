/**
 * PgBouncer: the text of its three files, and its admin console over the unix socket.
 *
 * Rendering is pure. The console lets in one operating system user by peer authentication, so no
 * password of it exists. Whoever pauses has to resume, also when the pause was not reached in time.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import type { AccessRule, Desired, PoolerWish } from '../model/desired.ts';
import type { PoolerAdmin } from './ports.ts';

export interface PoolerTopology {
  /** Address of the primary; undefined before the first one is known. */
  primary: string | undefined;
  /** Addresses that `<database>_readonly` leads to; empty: the primary. */
  readers: readonly string[];
  /** Clients of the primary are led to what refuses everybody, see agent/pooler/refusal.ts. */
  refuses?: boolean;
}

/** Of the socket in the pooler's own directory; nothing listens on it over TCP. */
export const REFUSAL_PORT = 6433;

export interface PoolerUser {
  name: string;
  /** As pg_authid holds it. */
  verifier: string;
}

export interface PoolerContent {
  topology: PoolerTopology;
  databases: readonly string[];
  users: readonly PoolerUser[];
  /** Operating system user of the agent, who alone may use the console. */
  admin: string;
}

export interface PoolerFiles {
  ini: string;
  userlist: string;
  hba: string;
}

export function renderPooler(desired: Desired, content: PoolerContent): PoolerFiles {
  return {
    ini: renderIni(desired, content),
    userlist: renderUserlist(content),
    hba: renderHba(desired.pooler, content),
  };
}

function renderIni(desired: Desired, content: PoolerContent): string {
  const { pooler, paths, unit } = desired;
  const settings: [string, string | number][] = [
    ['listen_addr', unit.address],
    ['listen_port', pooler.port],
    ['unix_socket_dir', paths.run],
    ['unix_socket_mode', '0700'],
    // No pidfile: runsv knows the process, and a stale file whose number lives on as another
    // process would keep PgBouncer from starting after a power cut.
    ['auth_type', 'hba'],
    ['auth_file', `${paths.etc}/userlist.txt`],
    ['auth_hba_file', `${paths.etc}/pgbouncer-hba.conf`],
    ['admin_users', content.admin],
    ['pool_mode', pooler.mode],
    ['max_client_conn', pooler.maxClientConnections],
    ['default_pool_size', pooler.poolSize],
    ...(pooler.maxPreparedStatements > 0
      ? [['max_prepared_statements', pooler.maxPreparedStatements] as [string, number]]
      : []),
    ...clientTls(pooler),
    // Units change over to TLS one after the other, and a pool must not break meanwhile.
    ['server_tls_sslmode', 'prefer'],
    ['ignore_startup_parameters', 'extra_float_digits,options'],
    // The default of 15 s would keep clients waiting long after a new primary is there.
    ['server_login_retry', '0.2'],
    ['server_connect_timeout', 5],
    // A session's server connection is given up at its next transaction end once the route changed.
    ['server_fast_close', 1],
    ['tcp_keepalive', 1],
    ['tcp_keepidle', 10],
    ['tcp_keepintvl', 5],
    ['tcp_keepcnt', 3],
    ['tcp_user_timeout', 15_000],
    ['log_connections', 0],
    ['log_disconnections', 0],
  ];
  return [
    '; Written by the agent of this unit; changes by hand are lost.',
    '[databases]',
    ...renderDatabases(desired, content),
    '',
    ...renderUsers(pooler.access),
    '[pgbouncer]',
    ...settings.map(([key, value]) => `${key} = ${value}`),
    '',
  ].join('\n');
}

function clientTls({ tls }: Desired['pooler']): [string, string][] {
  if (tls === undefined) return [['client_tls_sslmode', 'disable']];
  return [
    ['client_tls_sslmode', 'require'],
    ['client_tls_cert_file', tls.cert],
    ['client_tls_key_file', tls.key],
  ];
}

/**
 * What is above a user's limit waits here; PostgreSQL, which knows the limit too, would refuse it.
 */
function renderUsers(access: readonly AccessRule[]): string[] {
  const limited = access.flatMap(({ user, connectionLimit }) =>
    connectionLimit !== undefined && PLAIN.test(user)
      ? [`${user} = max_user_connections=${connectionLimit}`]
      : [],
  );
  return limited.length === 0 ? [] : ['[users]', ...limited.toSorted(), ''];
}

/** PgBouncer 1.18 reads no quoted keys. */
const PLAIN = /^[A-Za-z0-9_.-]+$/;
/** PgBouncer reserves the name of its console. */
const CONSOLE = 'pgbouncer';

function renderDatabases(desired: Desired, { topology, databases }: PoolerContent): string[] {
  if (topology.primary === undefined) return [];
  const to = (hosts: readonly string[]) => `host=${hosts.join(',')} port=${desired.postgres.port}`;
  const primary = topology.refuses
    ? `host=${desired.paths.run} port=${REFUSAL_PORT}`
    : to([topology.primary]);
  const readers = topology.readers.length > 0 ? to(topology.readers) : primary;
  // Databases of other names are reached through `*`, without an alias.
  const plain = databases.filter((name) => PLAIN.test(name) && name !== CONSOLE);
  return [
    ...plain.map((name) => `${name} = ${primary} dbname=${name}`),
    ...plain
      .filter((name) => !databases.includes(readOnlyName(name)))
      .map((name) => `${readOnlyName(name)} = ${readers} dbname=${name}`),
    `* = ${primary}`,
  ];
}

/** The alias that leads to replicas. */
function readOnlyName(database: string): string {
  return `${database}_readonly`;
}

function renderUserlist({ users, admin }: PoolerContent): string {
  const lines = users
    .filter(({ name }) => !/[\r\n\0]/.test(name))
    .map(({ name, verifier }) => `${quote(name)} ${quote(verifier)}`);
  // Without an entry the console would refuse the name before it looks at the HBA.
  if (!users.some(({ name }) => name === admin)) lines.push(`${quote(admin)} ""`);
  return `${lines.toSorted().join('\n')}\n`;
}

function renderHba({ access, entries = [] }: PoolerWish, { admin }: PoolerContent): string {
  // Who has to show a certificate does so to PostgreSQL, and gets in nowhere without.
  const pooled = access.filter(({ certificate }) => certificate === undefined);
  const rules = pooled.flatMap(({ user, databases, networks }) =>
    networks.flatMap((network) =>
      databases
        .flatMap((name) => (name === 'all' ? [name] : [name, readOnlyName(name)]))
        .map((name) => `host ${word(name)} ${word(user)} ${network} scram-sha-256`),
    ),
  );
  return [
    `local ${CONSOLE} ${quote(admin)} peer`,
    `host ${CONSOLE} all 0.0.0.0/0 reject`,
    `host ${CONSOLE} all ::/0 reject`,
    ...entries,
    ...rules,
    '',
  ].join('\n');
}

const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
/** Quoted, `all` would be a name. */
const word = (text: string) => (text === 'all' ? text : quote(text));

export interface ConsoleTarget {
  /** Directory of the socket. */
  socketDir: string;
  port: number;
  user: string;
  /** Default 3000; PAUSE has its own. */
  timeoutMs?: number;
}

/** A console that connects for each command, so that a restart of PgBouncer needs no care. */
export function createPoolerAdmin(target: ConsoleTarget): PoolerAdmin {
  const timeoutMs = target.timeoutMs ?? 3000;
  const once = async (command: string, limitMs = timeoutMs) => {
    const client = await connect(target, timeoutMs);
    try {
      return await within(client.query(command), command, limitMs);
    } finally {
      // end() would wait for a command that hangs.
      client.destroy();
    }
  };
  const resume = async () => {
    try {
      await once('RESUME');
    } catch (error) {
      if (!(error instanceof Error && /not paused/.test(error.message))) throw error;
    }
  };
  return {
    show: (what) => once(`SHOW ${what}`),
    async reload() {
      await once('RELOAD');
    },
    async reconnect() {
      await once('RECONNECT');
    },
    async pause(limitMs) {
      try {
        await once('PAUSE', limitMs);
      } catch (error) {
        if (!(error instanceof Error && /already .*paused/.test(error.message))) throw error;
        // Somebody else's pause may never have come to rest: only an own one says so.
        await resume();
        await once('PAUSE', limitMs);
      }
    },
    resume,
  };
}

interface Console {
  query(text: string): Promise<Record<string, unknown>[]>;
  destroy(): void;
}

async function connect(target: ConsoleTarget, timeoutMs: number): Promise<Console> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    host: target.socketDir,
    port: target.port,
    user: target.user,
    database: CONSOLE,
    connectionTimeoutMillis: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperatorError({
      code: 'pooler-unreachable',
      message: `cannot reach PgBouncer at ${target.socketDir}: ${reason}`,
      retry: 'now',
      cause,
    });
  }
  return {
    query: async (text) => (await client.query(text)).rows,
    destroy: () => {
      client.end().catch(() => undefined);
    },
  };
}

async function within<T>(work: Promise<T>, command: string, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `cannot ${command} the pooler: it did not answer within ${limitMs} ms`;
      reject(new OperatorError({ code: 'pooler-timeout', message }));
    }, limitMs);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

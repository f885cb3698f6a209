/**
 * SQL over a unix socket or TCP. Values are bound; DDL, which takes no parameters, is built by the
 * `ddl` template, which accepts nothing but quoted identifiers, literals and other DDL.
 */
import { Socket } from 'node:net';
import type { Client } from 'pg';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Secret } from '../../../lib/std/secret.ts';
import type { SqlPort } from './ports.ts';

export interface SqlTarget {
  /** An address, or the directory of a unix socket. */
  host: string;
  port: number;
  user: string;
  password?: Secret;
  database: string;
  /** Default 3000. */
  connectTimeoutMs?: number;
  /** Enforced by the server and, a little later, here; default 10000. */
  statementTimeoutMs?: number;
  /**
   * Try TLS first, and plain where the server has none; default: plain, and TLS where the server
   * wants it. Whose certificate it shows is not asked: SCRAM gives no password away.
   */
  tls?: boolean;
  /** Shown in pg_stat_activity; default `pgcharm`. */
  applicationName?: string;
}

/** What an operator chooses for the sessions of clients must not keep the charm from its work. */
const OWN_SESSION = [
  'default_transaction_read_only=off',
  'default_transaction_deferrable=off',
  'default_transaction_isolation=read\\ committed',
  'exit_on_error=off',
  'idle_in_transaction_session_timeout=0',
  'idle_session_timeout=0',
  'lock_timeout=0',
  'standard_conforming_strings=on',
  'array_nulls=on',
  'DateStyle=ISO',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** A server that is frozen never hears that its client goes. */
const GOODBYE_MS = 1000;

interface Connection {
  client: Client;
  close(): Promise<void>;
}

/** @throws OperatorError `sql-unreachable` */
export async function connectSql(target: SqlTarget): Promise<SqlPort> {
  const { client, close } = await connected(target, target.tls ?? false).catch(
    async (error: unknown) => {
      if (!wantsTheOther(error)) throw unreachable(target, error);
      // Between the two everybody changes over, one unit after the other.
      return await connected(target, !target.tls).catch(() => {
        throw unreachable(target, error);
      });
    },
  );
  const closed = new Promise<void>((resolve) => client.once('end', resolve));
  return {
    async query<Row>(text: string, values?: unknown[]): Promise<Row[]> {
      return (await client.query(text, values ?? [])).rows as Row[];
    },
    async queryAll(text: string) {
      const results: unknown = await client.query(text);
      const all = (Array.isArray(results) ? results : [results]) as { rows: object[] }[];
      return all.map((result) => result.rows as Record<string, unknown>[]);
    },
    close,
    closed,
  };
}

async function connected(target: SqlTarget, tls: boolean): Promise<Connection> {
  // Loaded on demand: most hooks never speak SQL, and the library costs 17 ms to load.
  const { default: pg } = await import('pg');
  const statementTimeoutMs = target.statementTimeoutMs ?? 10_000;
  const socket = new Socket();
  const client = new pg.Client({
    stream: () => socket,
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    ...(target.password === undefined ? {} : { password: target.password.reveal() }),
    // A unix socket has none.
    ...(tls && !target.host.startsWith('/') ? { ssl: { rejectUnauthorized: false } } : {}),
    connectionTimeoutMillis: target.connectTimeoutMs ?? 3000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + 1000,
    application_name: target.applicationName ?? 'pgcharm',
    options: OWN_SESSION,
    keepAlive: true,
  });
  // Without a listener a connection that breaks while idle would end the process.
  client.on('error', () => undefined);
  const close = async () => {
    const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
    await client.end().finally(() => clearTimeout(timer));
  };
  try {
    await client.connect();
    return { client, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** The server has no TLS, or lets nobody in without it (`hostssl`). */
function wantsTheOther(error: unknown): boolean {
  const message = messageOf(error);
  return message.includes('does not support SSL') || message.endsWith('no encryption');
}

function unreachable({ database, host }: SqlTarget, error: unknown): OperatorError {
  return new OperatorError({
    code: 'sql-unreachable',
    message: `cannot connect to ${database} at ${host}: ${messageOf(error)}`,
    retry: 'now',
    cause: error,
  });
}

/** Text that is safe to send as it is: the template and the quoting functions made it. */
export class Ddl {
  readonly text: string;

  constructor(template: TemplateStringsArray, parts: readonly Ddl[]) {
    this.text = template.reduce((text, piece, n) => text + (parts[n - 1]?.text ?? '') + piece);
  }

  toString(): string {
    return this.text;
  }
}

/** `ddl\`CREATE ROLE ${identifier(name)} PASSWORD ${literal(verifier)}\`` */
export function ddl(template: TemplateStringsArray, ...parts: Ddl[]): Ddl {
  return new Ddl(template, parts);
}

/** @throws RangeError when the name is empty, too long for PostgreSQL, or holds a NUL */
export function identifier(name: string): Ddl {
  // PostgreSQL would cut a longer one silently, and two users could become one.
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63) {
    throw new RangeError(`not an identifier: ${JSON.stringify(name)}`);
  }
  return made(`"${name.replaceAll('"', '""')}"`);
}

export function literal(value: string): Ddl {
  if (value.includes('\0')) throw new RangeError('a literal cannot hold a NUL');
  const quoted = `'${value.replaceAll("'", "''")}'`;
  // E'' makes a backslash mean itself whatever standard_conforming_strings says.
  return made(value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted);
}

export function integer(value: number): Ddl {
  if (!Number.isSafeInteger(value)) throw new RangeError(`not an integer: ${value}`);
  return made(String(value));
}

/** Identifiers separated by commas. */
export function identifiers(names: readonly string[]): Ddl {
  return made(names.map((name) => identifier(name).text).join(', '));
}

function made(text: string): Ddl {
  const template = Object.assign([text], { raw: [text] });
  return new Ddl(template, []);
}

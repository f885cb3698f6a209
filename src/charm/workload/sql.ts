/**
 * SQL over a unix socket or TCP. Values are bound; DDL, which takes no parameters, is built by the
 * `ddl` template, which accepts nothing but quoted identifiers, literals and other DDL.
 */
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

/** @throws OperatorError `sql-unreachable` */
export async function connectSql(target: SqlTarget): Promise<SqlPort> {
  // Loaded on demand: most hooks never speak SQL, and the library costs 17 ms to load.
  const { default: pg } = await import('pg');
  const statementTimeoutMs = target.statementTimeoutMs ?? 10_000;
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    ...(target.password === undefined ? {} : { password: target.password.reveal() }),
    connectionTimeoutMillis: target.connectTimeoutMs ?? 3000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + 1000,
    application_name: target.applicationName ?? 'pgcharm',
    options: OWN_SESSION,
    keepAlive: true,
  });
  const closed = new Promise<void>((resolve) => client.once('end', resolve));
  // Without a listener a connection that breaks while idle would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw new OperatorError({
      code: 'sql-unreachable',
      message: `cannot connect to ${target.database} at ${target.host}: ${messageOf(error)}`,
      retry: 'now',
      cause: error,
    });
  }
  return {
    async query<Row>(text: string, values?: unknown[]): Promise<Row[]> {
      return (await client.query(text, values ?? [])).rows as Row[];
    },
    async queryAll(text: string) {
      const results: unknown = await client.query(text);
      const all = (Array.isArray(results) ? results : [results]) as { rows: object[] }[];
      return all.map((result) => result.rows as Record<string, unknown>[]);
    },
    close: () => client.end(),
    closed,
  };
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

/** Identifiers separated by commas. */
export function identifiers(names: readonly string[]): Ddl {
  return made(names.map((name) => identifier(name).text).join(', '));
}

function made(text: string): Ddl {
  const template = Object.assign([text], { raw: [text] });
  return new Ddl(template, []);
}

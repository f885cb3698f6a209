/** What steps of several statements share: a connection that is closed, and plain statements. */
import type { SqlPort } from '../workload/ports.ts';
import type { Ddl } from '../workload/sql.ts';

/** Opens a connection to one database of the primary, as a superuser. */
export type Connect = (database: string) => Promise<SqlPort>;

/** Several statements in one text are one transaction. */
export async function run(sql: SqlPort, statement: Ddl): Promise<void> {
  await sql.queryAll(statement.text);
}

export async function using<T>(sql: SqlPort, work: (sql: SqlPort) => Promise<T>): Promise<T> {
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}

export async function existingRoles(
  sql: SqlPort,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const text = 'SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname = ANY($1)';
  const rows = await sql.query<{ name: string }>(text, [names]);
  return new Set(rows.map((row) => row.name));
}

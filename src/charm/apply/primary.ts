/** How steps reach the primary's PostgreSQL, wherever it is. Decides nothing. */
import type { SqlPort } from '../workload/ports.ts';
import { primarySql } from '../workload/primary.ts';
import type { Tools } from './tools.ts';

/** Connects as the operator to a database. @throws OperatorError `no-primary` */
export function toPrimary({ world }: Tools): (database: string) => Promise<SqlPort> {
  return primarySql(world());
}

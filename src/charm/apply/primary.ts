/** How steps reach the primary's PostgreSQL, wherever it is. Decides nothing. */
import { OperatorError } from '../../../lib/std/errors.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { primaryOf } from '../model/snapshot.ts';
import type { SqlPort } from '../workload/ports.ts';
import { connectSql } from '../workload/sql.ts';
import type { Tools } from './tools.ts';

/** Connects as the operator to a database. @throws OperatorError `no-primary` */
export function toPrimary({ world }: Tools): (database: string) => Promise<SqlPort> {
  const snapshot = world();
  const primary = primaryOf(snapshot);
  const password = snapshot.appSecret?.content['operator-password'];
  if (primary === undefined || password === undefined) {
    throw new OperatorError({
      code: 'no-primary',
      message: 'cannot reach a primary: none is known',
    });
  }
  return (database) =>
    connectSql({
      host: primary.address,
      port: 5432,
      user: 'operator',
      password: new Secret(password),
      database,
      // Copying a template waits for a checkpoint.
      statementTimeoutMs: 30_000,
    });
}

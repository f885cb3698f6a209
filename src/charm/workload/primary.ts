/** How the primary's PostgreSQL is reached as the operator, wherever it is. Decides nothing. */
import { OperatorError } from '../../../lib/std/errors.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { primaryOf, type Snapshot } from '../model/snapshot.ts';
import type { SqlPort } from './ports.ts';
import { connectSql } from './sql.ts';

/** @returns what connects to a database. @throws OperatorError `no-primary` */
export function primarySql(
  world: Pick<Snapshot, 'agent' | 'appSecret'>,
): (database: string) => Promise<SqlPort> {
  const primary = primaryOf(world);
  const password = world.appSecret?.content['operator-password'];
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

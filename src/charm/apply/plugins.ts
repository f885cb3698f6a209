/**
 * Creates and drops the extensions of one database. What plugins have put there is recorded as a
 * setting of the database, readable from any other; each statement may be repeated.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { optionOfExtension } from '../model/plugins.ts';
import type { Steps } from '../model/steps.ts';
import type { SqlPort } from '../workload/ports.ts';
import { type Ddl, ddl, identifier, literal } from '../workload/sql.ts';
import { toPrimary } from './primary.ts';
import type { Families, Tools } from './tools.ts';

/** PostgreSQL's SQLSTATE for what others depend on. */
const IN_USE = '2BP01';

/** Its functions are nobody's at first; who may administer databases may act as others. */
const SET_USER_RIGHTS = ddl`
  REVOKE EXECUTE ON FUNCTION reset_user(), reset_user(text) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION set_user(text), set_user(text, text), set_user_u(text),
    reset_user(), reset_user(text) TO charmed_dba`;

export const pluginSteps: Families<'set-extensions'> = {
  'set-extensions': {
    lane: ({ database }) => `extensions of ${database}`,
    // After clients: a database that is being made from template1 wants it for itself.
    priority: 58,
    apply: setExtensions,
  },
};

async function setExtensions(wish: Steps['set-extensions'], tools: Tools): Promise<undefined> {
  const sql = await toPrimary(tools)(wish.database);
  try {
    for (const name of wish.create) {
      await run(sql, ddl`CREATE EXTENSION IF NOT EXISTS ${identifier(name)}`);
      if (name === 'set_user') await run(sql, SET_USER_RIGHTS);
    }
    let present = [...new Set([...wish.recorded, ...wish.create])];
    if (wish.create.length > 0) await record(sql, wish.database, present);
    for (const name of wish.drop) {
      await drop(sql, name, wish.database);
      present = present.filter((each) => each !== name);
      await record(sql, wish.database, present);
    }
  } finally {
    await sql.close();
  }
}

/** Never with what depends on it: those are somebody's data. */
async function drop(sql: SqlPort, name: string, database: string): Promise<void> {
  try {
    await run(sql, ddl`DROP EXTENSION IF EXISTS ${identifier(name)}`);
  } catch (error) {
    if (!isPostgresError(error) || error.code !== IN_USE) throw error;
    const objects = error.detail?.split('\n')[0] ?? messageOf(error);
    throw new OperatorError({
      code: 'plugin-in-use',
      message: `cannot switch off ${optionOfExtension(name)}: in database ${database} ${objects}`,
      hint: 'drop what depends on it, or set the option to true again',
      retry: 'never',
      cause: error,
    });
  }
}

/** In the order of creation; an empty record is none. */
async function record(sql: SqlPort, database: string, names: readonly string[]): Promise<void> {
  const of = ddl`ALTER DATABASE ${identifier(database)}`;
  const setting =
    names.length === 0
      ? ddl`${of} RESET pgcharm.extensions`
      : ddl`${of} SET pgcharm.extensions = ${literal(names.join(','))}`;
  await run(sql, setting);
}

async function run(sql: SqlPort, statement: Ddl): Promise<void> {
  await sql.queryAll(statement.text);
}

function isPostgresError(error: unknown): error is { code: string; detail?: string } {
  return error instanceof Error && 'code' in error;
}

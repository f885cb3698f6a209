/**
 * The roles of the directory's users in PostgreSQL: what there is, and the statements that change
 * it. Decides nothing; no password is ever part of it.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import { IDENTITY_GROUP } from '../../charm/model/hba.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import { type Ddl, ddl, identifier, literal } from '../../charm/workload/sql.ts';
import { type DatabaseRole, type Mark, markText, type RoleChange } from '../decide/directory.ts';

/** Roles through which a database user becomes the server's operating system user. */
const QUERY = `
  SELECT r.rolname AS name, r.rolcanlogin AS login,
    (r.rolsuper OR r.rolreplication OR r.rolname IN ('pg_execute_server_program',
      'pg_read_server_files', 'pg_write_server_files')) AS mighty,
    COALESCE(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') AS comment,
    ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_authid g ON g.oid = m.roleid WHERE m.member = r.oid) AS "memberOf",
    EXISTS (SELECT FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass
      AND s.refobjid = r.oid) AS needed
  FROM pg_catalog.pg_authid r`;

export async function readRoles(sql: SqlPort): Promise<DatabaseRole[]> {
  return sql.query<DatabaseRole>(QUERY);
}

/** One transaction each; a failure in one does not undo another. */
const BATCH = 200;

/**
 * Carries changes out, in few transactions. @returns why single ones failed, a sentence each
 * @throws whatever ends the connection
 */
export async function changeRoles(sql: SqlPort, changes: readonly RoleChange[]): Promise<string[]> {
  const failures: string[] = [];
  for (let at = 0; at < changes.length; at += BATCH) {
    const batch = changes.slice(at, at + BATCH);
    try {
      await transact(sql, batch);
    } catch {
      // Whichever it was must not keep the others from what they are to have.
      for (const change of batch) {
        await transact(sql, [change]).catch((error: unknown) => {
          failures.push(`cannot ${change.kind} ${nameOf(change)}: ${messageOf(error)}`);
        });
      }
    }
  }
  return failures;
}

/**
 * Statements that are sent as one text are one transaction. The directory can tell again whatever
 * is lost with the primary, so that no commit waits for a replica.
 */
async function transact(sql: SqlPort, changes: readonly RoleChange[]): Promise<void> {
  const statements = changes.flatMap(statementsOf).map(({ text }) => `${text};`);
  await sql.queryAll(['SET LOCAL synchronous_commit TO local;', ...statements].join('\n'));
}

function nameOf(change: RoleChange): string {
  return change.kind === 'create-group' ? IDENTITY_GROUP : change.name;
}

function statementsOf(change: RoleChange): Ddl[] {
  const group = identifier(IDENTITY_GROUP);
  if (change.kind === 'create-group') return [ddl`CREATE ROLE ${group} NOLOGIN`];
  const role = identifier(change.name);
  switch (change.kind) {
    case 'create': {
      const groups = [IDENTITY_GROUP, ...change.mark.granted];
      return [ddl`CREATE ROLE ${role} LOGIN`, ...grants(groups, role), comment(role, change.mark)];
    }
    case 'alter':
      return [
        ...grants(change.grant, role),
        ...change.revoke.map((name) => ddl`REVOKE ${identifier(name)} FROM ${role}`),
        ...(change.login === undefined ? [] : [login(role, change.login)]),
        ...(change.login === false ? [farewell(change.name)] : []),
        comment(role, change.mark),
      ];
    case 'drop':
      return [farewell(change.name), ddl`DROP ROLE IF EXISTS ${role}`];
  }
}

function grants(groups: readonly string[], role: Ddl): Ddl[] {
  return groups.map((name) => ddl`GRANT ${identifier(name)} TO ${role}`);
}

function comment(role: Ddl, mark: Mark): Ddl {
  return ddl`COMMENT ON ROLE ${role} IS ${literal(markText(mark))}`;
}

function login(role: Ddl, may: boolean): Ddl {
  return may ? ddl`ALTER ROLE ${role} LOGIN` : ddl`ALTER ROLE ${role} NOLOGIN`;
}

/** Whoever is connected stays so in PostgreSQL, whatever becomes of the role. */
function farewell(name: string): Ddl {
  return ddl`SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE usename = ${literal(name)}`;
}

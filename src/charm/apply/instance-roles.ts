/**
 * The SQL behind the roles of the whole instance: groups that clients and operators become members
 * of, and who may enter the databases that are nobody's. May be repeated after it died anywhere.
 */

import {
  ACCESS_GROUPS,
  INSTANCE_ROLES,
  ROLES_MARK,
  ROLES_REVISION,
} from '../model/client-roles.ts';
import { SYSTEM_USERS } from '../model/hba.ts';
import type { SqlPort } from '../workload/ports.ts';
import { type Ddl, ddl, identifier, identifiers, literal } from '../workload/sql.ts';
import { installCatalogRoles } from './catalog-roles.ts';
import { type Connect, existingRoles, run, using } from './sql-steps.ts';

/** Functions of a backup by hand; their names are the same since PostgreSQL 15. */
const BACKUP_FUNCTIONS = [
  ddl`pg_backup_start(text, boolean)`,
  ddl`pg_backup_stop(boolean)`,
  ddl`pg_create_restore_point(text)`,
  ddl`pg_switch_wal()`,
];

export async function ensureInstanceRoles(connect: Connect): Promise<void> {
  await using(await connect('postgres'), async (sql) => {
    await createRoles(sql);
    await grantBackup(sql);
    await closeDatabase(sql, 'postgres');
    // Users of a directory have no database of their own to connect to.
    await run(sql, ddl`GRANT CONNECT ON DATABASE postgres TO identity_access`);
  });
  // What is in template1 is in every database that is made from now on.
  await using(await connect('template1'), async (sql) => {
    await grantBackup(sql);
    await closeDatabase(sql, 'template1');
    await installCatalogRoles(sql);
    await run(sql, ddl`COMMENT ON ROLE ${identifier(ROLES_MARK)} IS ${literal(ROLES_REVISION)}`);
  });
}

async function createRoles(sql: SqlPort): Promise<void> {
  const names = [...ACCESS_GROUPS, ...INSTANCE_ROLES.map(({ name }) => name)];
  const existing = await existingRoles(sql, [...names, ...SYSTEM_USERS]);
  for (const name of names) {
    if (!existing.has(name)) await run(sql, ddl`CREATE ROLE ${identifier(name)} NOLOGIN`);
  }
  for (const { name, memberOf, createdb } of INSTANCE_ROLES) {
    const role = identifier(name);
    if (memberOf.length > 0) await run(sql, ddl`GRANT ${identifiers(memberOf)} TO ${role}`);
    if (createdb) await run(sql, ddl`ALTER ROLE ${role} CREATEDB`);
  }
  const users = SYSTEM_USERS.filter((user) => existing.has(user));
  if (users.length === 0) return;
  await run(sql, ddl`GRANT internal_access TO ${identifiers(users)}`);
  await run(sql, ddl`GRANT ALL ON DATABASE postgres TO ${identifiers(users)}`);
}

async function grantBackup(sql: SqlPort): Promise<void> {
  for (const name of BACKUP_FUNCTIONS) {
    await run(sql, ddl`GRANT EXECUTE ON FUNCTION pg_catalog.${name} TO charmed_backup`);
  }
}

/** Instance roles may look around in the databases of the server itself; others stay outside. */
async function closeDatabase(sql: SqlPort, name: 'postgres' | 'template1'): Promise<void> {
  const database = identifier(name);
  const roles: Ddl = identifiers(INSTANCE_ROLES.map((role) => role.name));
  await run(sql, ddl`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
  await run(sql, ddl`GRANT CONNECT ON DATABASE ${database} TO pg_monitor, ${roles}`);
  await run(sql, ddl`REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
}

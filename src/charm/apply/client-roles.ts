/**
 * The SQL behind clients: a database with the roles that own and use it, a login, and its end.
 * Takes connections as a superuser; every function may be repeated after it died at any statement.
 *
 * Objects belong to `charmed_<database>_owner`, which a client's sessions assume at login, so that
 * they outlive the login. Clear passwords never get here.
 */
import type { SqlPort } from '../workload/ports.ts';
import { type Ddl, ddl, identifier, literal } from '../workload/sql.ts';
import { UNLOGGED } from './unlogged.ts';

/** Opens a connection to one database of the primary. */
export type Connect = (database: string) => Promise<SqlPort>;

/** Owns the databases themselves, so that no client can drop or rename its own. */
const DATABASES_OWNER = 'charmed_databases_owner';
/** Every client's login is a member, and nothing else. */
const CLIENT_GROUP = 'relation_access';

interface DatabaseRoles {
  owner: string;
  admin: string;
  dml: string;
}

/** Roles of one database. A name of up to 49 bytes leaves room for them. */
export function rolesOf(database: string): DatabaseRoles {
  return {
    owner: `charmed_${database}_owner`,
    admin: `charmed_${database}_admin`,
    dml: `charmed_${database}_dml`,
  };
}

/** A database that nobody but its own roles may enter, and an owner for what will be in it. */
export async function ensureClientDatabase(connect: Connect, database: string): Promise<void> {
  const { owner, admin, dml } = rolesOf(database);
  const name = identifier(database);
  await using(await connect('postgres'), async (sql) => {
    await ensureGroups(sql, [DATABASES_OWNER, CLIENT_GROUP, owner, dml]);
    // Without INHERIT an administrator has the owner's rights only after SET ROLE.
    await ensureGroups(sql, [admin], ddl` NOINHERIT`);
    await run(sql, ddl`GRANT ${identifier(owner)} TO ${identifier(admin)}`);
    const found = await sql.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (found.length === 0) {
      await run(sql, ddl`CREATE DATABASE ${name} OWNER ${identifier(DATABASES_OWNER)}`);
    }
    await run(sql, ddl`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    await run(sql, ddl`GRANT CONNECT ON DATABASE ${name} TO ${identifier(admin)}`);
    await run(sql, ddl`GRANT CREATE, TEMPORARY ON DATABASE ${name} TO ${identifier(owner)}`);
  });
  await using(await connect(database), async (sql) => {
    const [schema] = await sql.query(`SELECT FROM pg_namespace WHERE nspname = 'public'`);
    if (schema !== undefined) {
      await run(sql, ddl`ALTER SCHEMA public OWNER TO ${identifier(owner)}`);
      await run(sql, ddl`REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
    }
    const own = ddl`ALTER DEFAULT PRIVILEGES FOR ROLE ${identifier(owner)}`;
    for (const right of [
      ddl`SELECT ON TABLES`,
      ddl`SELECT ON SEQUENCES`,
      ddl`EXECUTE ON FUNCTIONS`,
    ]) {
      await run(sql, ddl`${own} GRANT ${right} TO ${identifier(admin)}`);
    }
  });
}

export interface ClientRole {
  role: string;
  database: string;
  /** As pg_authid holds it. */
  verifier: string;
}

/** A login that acts as the owner of its database. LOGIN comes last: it says that all is done. */
export async function ensureClientRole(connect: Connect, client: ClientRole): Promise<void> {
  const role = identifier(client.role);
  const { owner, admin, dml } = rolesOf(client.database);
  await using(await connect('postgres'), async (sql) => {
    await ensureGroups(sql, [client.role]);
    const groups = [CLIENT_GROUP, admin, dml];
    for (const group of groups) await run(sql, ddl`GRANT ${identifier(group)} TO ${role}`);
    for (const group of await otherDatabaseRoles(sql, client.role, groups)) {
      await run(sql, ddl`REVOKE ${identifier(group)} FROM ${role}`);
    }
    const database = identifier(client.database);
    await run(sql, ddl`ALTER ROLE ${role} IN DATABASE ${database} SET role TO ${literal(owner)}`);
    // The server logs DDL, and a verifier can be guessed against: no statement of this connection
    // is logged from here on, neither as such nor for its length nor for an error.
    await run(sql, UNLOGGED);
    await run(sql, ddl`ALTER ROLE ${role} LOGIN PASSWORD ${literal(client.verifier)}`);
  });
}

/** What a role was given for a database that its client no longer asks for. */
async function otherDatabaseRoles(
  sql: SqlPort,
  role: string,
  groups: readonly string[],
): Promise<string[]> {
  const rows = await sql.query<{ name: string }>(
    `SELECT g.rolname AS name FROM pg_auth_members m
       JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
      WHERE r.rolname = $1 AND g.rolname ~ '^charmed_.*_(admin|dml)$' AND g.rolname <> ALL($2)`,
    [role, groups],
  );
  return rows.map((row) => row.name);
}

/** Ends the login; what it owned goes to the owner of the database that it lies in. */
export async function dropClientRole(connect: Connect, name: string): Promise<void> {
  await using(await connect('postgres'), async (sql) => {
    const role = identifier(name);
    const found = await sql.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
    if (found.length === 0) return;
    await run(sql, ddl`ALTER ROLE ${role} NOLOGIN`);
    await sql.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      name,
    ]);
    for (const database of await databasesWith(sql, name)) {
      await using(await connect(database), (inside) => giveUp(inside, database, name));
    }
    // What is left belongs to no database: rights on databases, and memberships.
    await run(sql, ddl`DROP OWNED BY ${role}`);
    await run(sql, ddl`DROP ROLE IF EXISTS ${role}`);
  });
}

/** Databases in which something is owned by a role, or granted to it. */
async function databasesWith(sql: SqlPort, role: string): Promise<string[]> {
  const rows = await sql.query<{ datname: string }>(
    `SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
      WHERE s.refclassid = 'pg_authid'::regclass AND d.datallowconn
        AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)
      ORDER BY d.datname`,
    [role],
  );
  return rows.map((row) => row.datname);
}

async function giveUp(sql: SqlPort, database: string, name: string): Promise<void> {
  const { owner } = rolesOf(database);
  const [heir] = await sql.query('SELECT FROM pg_roles WHERE rolname = $1', [owner]);
  const to = heir === undefined ? ddl`CURRENT_USER` : identifier(owner);
  const role = identifier(name);
  await run(sql, ddl`REASSIGN OWNED BY ${role} TO ${to}; DROP OWNED BY ${role}`);
}

/** Roles that cannot log in; those that exist stay as they are. */
async function ensureGroups(sql: SqlPort, names: string[], attributes = ddl``): Promise<void> {
  const rows = await sql.query<{ rolname: string }>(
    'SELECT rolname FROM pg_roles WHERE rolname = ANY($1)',
    [names],
  );
  const existing = new Set(rows.map((row) => row.rolname));
  for (const name of names) {
    if (!existing.has(name))
      await run(sql, ddl`CREATE ROLE ${identifier(name)} NOLOGIN${attributes}`);
  }
}

async function run(sql: SqlPort, statement: Ddl): Promise<void> {
  await sql.queryAll(statement.text);
}

async function using<T>(sql: SqlPort, work: (sql: SqlPort) => Promise<T>): Promise<T> {
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}

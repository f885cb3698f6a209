/**
 * The SQL behind clients: a database with the roles that own and use it, a role, and its end.
 * Takes connections as a superuser; every function may be repeated after it died at any statement.
 *
 * Objects belong to `charmed_<database>_owner`, which a client's sessions assume at login, so that
 * they outlive the login. Clear passwords never get here.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import {
  DATABASES_OWNER,
  isManaged,
  isOwnerRole,
  type RoleWish,
  rolesOf,
} from '../model/client-roles.ts';
import type { SqlPort } from '../workload/ports.ts';
import { isVerifierOf, scramVerifier } from '../workload/scram.ts';
import { ddl, identifier, identifiers, integer, literal } from '../workload/sql.ts';
import { installCatalogRoles, setUpCatalogRoles } from './catalog-roles.ts';
import { type Connect, run, using } from './sql-steps.ts';
import { UNLOGGED } from './unlogged.ts';

/** A database that nobody but its own roles may enter, and an owner for what will be in it. */
export async function ensureClientDatabase(connect: Connect, database: string): Promise<void> {
  await using(await connect('postgres'), async (sql) => {
    const found = await sql.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (found.length > 0) return;
    const owner = identifier(DATABASES_OWNER);
    await run(sql, ddl`CREATE DATABASE ${identifier(database)} OWNER ${owner}`);
  });
  await using(await connect(database), async (sql) => {
    await installCatalogRoles(sql);
    await setUpCatalogRoles(sql, database);
  });
}

/**
 * Brings a client's role to what is wished; what its memberships lead to must exist.
 *
 * @param password undefined leaves it alone. LOGIN comes with it, as the last thing: it says that
 * all is done.
 * @throws OperatorError `client-user-exists` when the name is somebody else's
 */
export async function ensureClientRole(
  connect: Connect,
  wish: RoleWish,
  password: string | undefined,
): Promise<void> {
  await using(await connect('postgres'), async (sql) => {
    const role = identifier(wish.name);
    await claim(sql, wish);
    await follow(sql, wish);
    const superuser = wish.superuser ? ddl`SUPERUSER` : ddl`NOSUPERUSER`;
    const limit = integer(wish.connectionLimit);
    await run(sql, ddl`ALTER ROLE ${role} ${superuser} CONNECTION LIMIT ${limit}`);
    if (!wish.login) await run(sql, ddl`ALTER ROLE ${role} NOLOGIN PASSWORD NULL`);
    else if (password !== undefined) await setPassword(sql, wish.name, password);
  });
}

/** Makes the role, or sees that it is this client's: name and mark come in one transaction. */
async function claim(sql: SqlPort, { name, mark }: RoleWish): Promise<void> {
  const role = identifier(name);
  const comment = ddl`COMMENT ON ROLE ${role} IS ${literal(mark)}`;
  const [found] = await sql.query<{ comment: string | null }>(
    `SELECT shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname = $1`,
    [name],
  );
  if (found === undefined) return run(sql, ddl`CREATE ROLE ${role} NOLOGIN; ${comment}`);
  if (found.comment === mark) return;
  // Names of this form are given to nobody else.
  if (name === mark) return run(sql, comment);
  throw new OperatorError({
    code: 'client-user-exists',
    message: `cannot give user ${name} to ${mark}: it exists already`,
    hint: 'let the client ask for another name',
  });
}

/** Memberships and the roles that sessions assume. */
async function follow(sql: SqlPort, { name, memberOf, assumes }: RoleWish): Promise<void> {
  const role = identifier(name);
  await run(sql, ddl`GRANT ${identifiers(memberOf)} TO ${role}`);
  const rows = await sql.query<{ name: string }>(
    `SELECT DISTINCT g.rolname::text AS name FROM pg_auth_members m
       JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
      WHERE r.rolname = $1 AND g.rolname <> ALL($2)`,
    [name, memberOf],
  );
  const surplus = rows.map((row) => row.name).filter(isManaged);
  if (surplus.length > 0) await run(sql, ddl`REVOKE ${identifiers(surplus)} FROM ${role}`);
  await setAssumedRoles(sql, name, assumes);
}

/** As DatabaseRole has them; settings for other roles than owners stay. */
export async function setAssumedRoles(
  sql: SqlPort,
  name: string,
  assumes: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = await sql.query<{ database: string; role: string }>(
    `SELECT COALESCE(d.datname::text, '') AS database, substr(setting, 6) AS role
       FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) setting
       JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase
      WHERE r.rolname = $1 AND setting LIKE 'role=%'`,
    [name],
  );
  const found = Object.fromEntries(rows.map(({ database, role }) => [database, role]));
  const alter = (database: string) => {
    const where = database === '' ? ddl`` : ddl`IN DATABASE ${identifier(database)} `;
    return ddl`ALTER ROLE ${identifier(name)} ${where}`;
  };
  for (const [database, role] of Object.entries(assumes)) {
    if (found[database] === role) continue;
    await run(sql, ddl`${alter(database)}SET role TO ${literal(role)}`);
  }
  for (const [database, role] of Object.entries(found)) {
    if (assumes[database] !== undefined || !isOwnerRole(role)) continue;
    await run(sql, ddl`${alter(database)}RESET role`);
  }
}

async function setPassword(sql: SqlPort, name: string, password: string): Promise<void> {
  const [row] = await sql.query<{ verifier: string }>(
    `SELECT rolpassword AS verifier FROM pg_authid
      WHERE rolname = $1 AND rolcanlogin AND rolpassword IS NOT NULL`,
    [name],
  );
  // An event may act on a view of before the last one. Another verifier of the same password would
  // keep the client out until each pooler had read it: what a pooler holds logs in at the server.
  if (row !== undefined && (await isVerifierOf(row.verifier, password))) return;
  const verifier = await scramVerifier(password);
  // The server logs DDL, and a verifier can be guessed against: no statement of this connection is
  // logged from here on, neither as such nor for its length nor for an error.
  await run(sql, UNLOGGED);
  await run(sql, ddl`ALTER ROLE ${identifier(name)} LOGIN PASSWORD ${literal(verifier)}`);
}

/** Ends the role; what it owned goes to the owner of the database that it lies in. */
export async function dropClientRole(connect: Connect, name: string): Promise<void> {
  await using(await connect('postgres'), async (sql) => {
    const role = identifier(name);
    const found = await sql.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
    if (found.length === 0) return;
    await run(sql, ddl`ALTER ROLE ${role} NOLOGIN NOSUPERUSER`);
    await sql.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      name,
    ]);
    await giveDatabases(sql, name);
    for (const database of await databasesWith(sql, name)) {
      await using(await connect(database), (inside) => giveUp(inside, database, name));
    }
    // What is left belongs to no database: rights on databases, and memberships.
    await run(sql, ddl`DROP OWNED BY ${role}`);
    await run(sql, ddl`DROP ROLE IF EXISTS ${role}`);
  });
}

/** First of all: REASSIGN in one database would hand over the others, too. */
async function giveDatabases(sql: SqlPort, name: string): Promise<void> {
  const rows = await sql.query<{ name: string }>(
    `SELECT datname::text AS name FROM pg_database WHERE pg_get_userbyid(datdba) = $1`,
    [name],
  );
  const owner = identifier(DATABASES_OWNER);
  for (const row of rows) {
    await run(sql, ddl`ALTER DATABASE ${identifier(row.name)} OWNER TO ${owner}`);
  }
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

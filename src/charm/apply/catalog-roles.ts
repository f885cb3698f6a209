/**
 * The roles and rights of one database, as a function inside of it: what this charm calls for every
 * database of its clients, and what a client that makes databases itself may call for its own.
 *
 * It lies in pg_catalog, where nobody but a superuser can put another of its name, runs as its
 * owner, and names everything it uses. Repeating it mends what was changed by hand.
 */
import {
  CLIENT_GROUP,
  DATABASES_OWNER,
  INSTANCE_ROLES,
  ROLES_MARK,
  ROLES_REVISION,
  rolesOf,
} from '../model/client-roles.ts';
import type { SqlPort } from '../workload/ports.ts';
import { ddl, identifier, identifiers, literal } from '../workload/sql.ts';

/** Puts the function into the database of the connection; clients find it in template1's copies. */
export async function installCatalogRoles(sql: SqlPort): Promise<void> {
  await sql.queryAll(FUNCTION);
}

/**
 * Sets up the database of the connection, which needs the function. What its administrators assume
 * is set here and not there: PostgreSQL lets no function of another's rights touch `role`.
 */
export async function setUpCatalogRoles(sql: SqlPort, database: string): Promise<void> {
  const { owner, admin } = rolesOf(database);
  await sql.query('SELECT pg_catalog.set_up_predefined_catalog_roles()');
  const administrators = await sql.query<{ name: string }>(
    `SELECT DISTINCT r.rolname::text AS name
       FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
       JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
      WHERE g.rolname IN ($1, $2) AND r.rolcanlogin AND NOT r.rolsuper`,
    [admin, ROLES_MARK],
  );
  for (const { name } of administrators) {
    const login = ddl`ALTER ROLE ${identifier(name)} IN DATABASE ${identifier(database)}`;
    await sql.query(ddl`${login} SET role TO ${literal(owner)}`.text);
  }
}

const INSTANCE = identifiers(INSTANCE_ROLES.map(({ name }) => name)).text;

/** The mark comes last: who reads it may rely on everything before it. */
const FUNCTION = `
CREATE OR REPLACE FUNCTION pg_catalog.set_up_predefined_catalog_roles() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  db text := current_database();
  owner text := 'charmed_' || db || '_owner';
  admin text := 'charmed_' || db || '_admin';
  dml text := 'charmed_' || db || '_dml';
BEGIN
  IF lower(db) IN ('postgres', 'template0', 'template1', 'databases') OR octet_length(db) > 49 THEN
    RAISE EXCEPTION 'cannot set up roles of database %: the name is reserved or too long', db;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = dml) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', dml);
  END IF;
  -- Without INHERIT an administrator has the owner's rights only after SET ROLE.
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = admin) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', admin);
  END IF;
  EXECUTE format('GRANT %I TO %I', owner, admin);
  EXECUTE format('GRANT %I TO ${ROLES_MARK}', admin);

  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', db);
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, ${INSTANCE}', db, admin);
  EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO %I', db, owner);
  EXECUTE format('REVOKE CREATE ON DATABASE %I FROM ${DATABASES_OWNER}', db);
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public') THEN
    EXECUTE format('ALTER SCHEMA public OWNER TO %I', owner);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
  EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON TABLES TO %I', owner, admin);
  EXECUTE format(
    'ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON SEQUENCES TO %I', owner, admin);
  EXECUTE format(
    'ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT EXECUTE ON FUNCTIONS TO %I', owner, admin);

  -- A client that has made the database itself administers it like one that it has asked for.
  IF EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
      JOIN pg_roles g ON g.oid = m.roleid
      WHERE r.rolname = session_user AND g.rolname = '${CLIENT_GROUP}' AND NOT r.rolsuper) THEN
    EXECUTE format('GRANT %I, %I TO %I', admin, dml, session_user);
  END IF;
  EXECUTE format('COMMENT ON ROLE %I IS %L', owner, ${literal(ROLES_REVISION).text});
END
$body$;
REVOKE ALL ON FUNCTION pg_catalog.set_up_predefined_catalog_roles() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.set_up_predefined_catalog_roles() TO ${DATABASES_OWNER}`;

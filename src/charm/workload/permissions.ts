/**
 * The SQL behind `entity-permissions`: which grants a role has, and giving and taking them, in the
 * database of the connection. Takes single grants, as lib/relations has them.
 *
 * A grant on all tables holds for those that the database's owner makes later, too.
 */
import {
  type Grant,
  type GrantType,
  type PRIVILEGES,
  parseGrant,
} from '../../../lib/relations/postgresql-client-permissions.ts';
import { rolesOf } from '../model/client-roles.ts';
import type { PermissionState } from '../model/permissions.ts';
import type { SqlPort } from './ports.ts';
import { type Ddl, ddl, identifier, literal } from './sql.ts';

/** `held` is null for objects that do not exist. `*` is all there is, and what is to come. */
const QUERY = `
  SELECT w.line, CASE
    WHEN w.type = 'DATABASE' THEN has_database_privilege($1::name, current_database(), w.privilege)
    WHEN w.type = 'SCHEMA' THEN has_schema_privilege($1::name, n.oid, w.privilege)
    WHEN n.oid IS NULL THEN NULL
    WHEN w.object = '*' THEN
      EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
        WHERE d.defaclnamespace = n.oid AND d.defaclrole = to_regrole($2::text)
          AND d.defaclobjtype = CASE w.type WHEN 'TABLE' THEN 'r' ELSE 'S' END
          AND a.grantee = to_regrole($3::text) AND a.privilege_type = w.privilege)
      AND NOT EXISTS (SELECT FROM pg_class c
        -- One expression: PostgreSQL chooses the order of conditions; a table is no sequence.
        WHERE c.relnamespace = n.oid AND NOT CASE WHEN c.relkind <> ALL(w.kinds) THEN true
          WHEN w.type = 'TABLE' THEN has_table_privilege($1::name, c.oid, w.privilege)
          ELSE has_sequence_privilege($1::name, c.oid, w.privilege) END)
    ELSE (SELECT CASE w.type WHEN 'TABLE' THEN has_table_privilege($1::name, c.oid, w.privilege)
          ELSE has_sequence_privilege($1::name, c.oid, w.privilege) END
        FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = w.object
          AND c.relkind = ANY(w.kinds))
    END AS held
  FROM (SELECT line, type, schema, object, privilege,
      CASE type WHEN 'TABLE' THEN '{r,p,v,m,f}'::"char"[] ELSE '{S}'::"char"[] END AS kinds
    FROM jsonb_to_recordset($4::jsonb)
      AS j(line text, type text, schema text, object text, privilege text)) w
  LEFT JOIN pg_namespace n ON n.nspname = w.schema`;

const RECORD = `
  SELECT substr(setting, strpos(setting, '=') + 1) AS recorded
    FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) setting
    JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase
   WHERE r.rolname = $1 AND d.datname = current_database()
     AND setting LIKE 'pgcharm.permissions=%'`;

/** @param wanted grants; of a role that exists */
export async function readPermissions(
  sql: SqlPort,
  { role, database }: Place,
  wanted: readonly string[],
): Promise<PermissionState> {
  const [row] = await sql.query<{ recorded: string }>(RECORD, [role]);
  const rows = await standing(sql, { role, database }, wanted);
  return {
    held: rows.filter(({ held }) => held === true).map(({ line }) => line),
    absent: rows.filter(({ held }) => held === null).map(({ line }) => line),
    recorded: (row?.recorded ?? '').split(',').filter((line) => parseGrant(line) !== undefined),
  };
}

interface Place {
  role: string;
  database: string;
}

async function standing(sql: SqlPort, { role, database }: Place, lines: readonly string[]) {
  const parts = lines.flatMap((line) => {
    const grant = parseGrant(line);
    return grant === undefined ? [] : [{ line, ...grant }];
  });
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const { owner } = rolesOf(database);
  return sql.query<{ line: string; held: boolean | null }>(QUERY, [
    role,
    quoted(owner),
    quoted(role),
    JSON.stringify(parts),
  ]);
}

export interface PermissionChange extends Place {
  grant: readonly string[];
  revoke: readonly string[];
  /** All that has been granted afterwards. */
  record: readonly string[];
}

/** All or nothing. What was granted on objects that are gone went with them. */
export async function setPermissions(sql: SqlPort, change: PermissionChange): Promise<void> {
  const { role, database, grant, revoke, record } = change;
  const found = await standing(sql, change, revoke);
  const there = new Set(found.filter(({ held }) => held !== null).map(({ line }) => line));
  const place = { role: identifier(role), database };
  const of = ddl`ALTER ROLE ${place.role} IN DATABASE ${identifier(database)}`;
  const recording =
    record.length === 0
      ? ddl`${of} RESET pgcharm.permissions`
      : ddl`${of} SET pgcharm.permissions = ${literal(record.join(','))}`;
  const statements = [
    ...revoke.filter((line) => there.has(line)).flatMap((line) => alter(line, 'revoke', place)),
    ...grant.flatMap((line) => alter(line, 'grant', place)),
    recording,
  ];
  // Several statements in one text are one transaction.
  await sql.queryAll(statements.map(({ text }) => text).join(';\n'));
}

type Way = 'grant' | 'revoke';

function alter(line: string, way: Way, place: { role: Ddl; database: string }): Ddl[] {
  const grant = parseGrant(line);
  if (grant === undefined) return [];
  const [verb, to] = way === 'grant' ? [ddl`GRANT`, ddl`TO`] : [ddl`REVOKE`, ddl`FROM`];
  const privilege = PRIVILEGE_WORDS.get(grant.privilege) ?? ddl``;
  const plain = ddl`${verb} ${privilege} ON ${target(grant, place.database)} ${to} ${place.role}`;
  if (grant.object !== '*') return [plain];
  const owner = identifier(rolesOf(place.database).owner);
  const schema = identifier(grant.schema);
  const later = ddl`ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA ${schema}`;
  const kind = grant.type === 'TABLE' ? ddl`TABLES` : ddl`SEQUENCES`;
  return [plain, ddl`${later} ${verb} ${privilege} ON ${kind} ${to} ${place.role}`];
}

function target({ type, schema, object }: Grant, database: string): Ddl {
  if (type === 'DATABASE') return ddl`DATABASE ${identifier(database)}`;
  if (type === 'SCHEMA') return ddl`SCHEMA ${identifier(schema)}`;
  const kind = KINDS[type];
  if (object === '*') return ddl`ALL ${kind}S IN SCHEMA ${identifier(schema)}`;
  return ddl`${kind} ${identifier(schema)}.${identifier(object)}`;
}

const KINDS: Readonly<Record<Exclude<GrantType, 'DATABASE' | 'SCHEMA'>, Ddl>> = {
  TABLE: ddl`TABLE`,
  SEQUENCE: ddl`SEQUENCE`,
};

const WORDS = {
  CONNECT: ddl`CONNECT`,
  CREATE: ddl`CREATE`,
  TEMPORARY: ddl`TEMPORARY`,
  USAGE: ddl`USAGE`,
  SELECT: ddl`SELECT`,
  UPDATE: ddl`UPDATE`,
  DELETE: ddl`DELETE`,
  INSERT: ddl`INSERT`,
  REFERENCES: ddl`REFERENCES`,
  TRIGGER: ddl`TRIGGER`,
  TRUNCATE: ddl`TRUNCATE`,
} satisfies Record<(typeof PRIVILEGES)[GrantType][number], Ddl>;
/** Words of SQL, which nothing may quote. */
const PRIVILEGE_WORDS: ReadonlyMap<string, Ddl> = new Map(Object.entries(WORDS));

/**
 * A resident connection to the primary: says whether it accepts writes, what databases and roles
 * there are, and who streams from it. Its end is the earliest sign that the primary died.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { DATABASES_OWNER } from '../../charm/model/client-roles.ts';
import type { Desired } from '../../charm/model/desired.ts';
import { SYSTEM_USERS } from '../../charm/model/hba.ts';
import { known, unknown } from '../../charm/model/world.ts';
import type { PoolerUser } from '../../charm/workload/pgbouncer.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import { standbyNames } from '../decide/sync-record.ts';
import type { Facts, PrimaryView } from '../facts.ts';
import { Loop } from '../loop.ts';

const CALM_MS = 1000;
/** While a server is being promoted: its clients wait. */
const QUICK_MS = 30;
/** After a login that failed: the server may be down for long. */
const RETRY_MS = 500;

export interface PrimaryWatch {
  loop: Loop;
  close(): Promise<void>;
}

export function watchPrimary(
  facts: Facts,
  clients: Clients,
  log: Log,
  connectionLost: () => void,
): PrimaryWatch {
  let open: { address: string; sql: SqlPort } | undefined;
  let everyMs = CALM_MS;

  const drop = async () => {
    const { sql } = open ?? {};
    open = undefined;
    await sql?.close().catch(() => undefined);
  };
  const connectedTo = async (address: string): Promise<SqlPort> => {
    if (open?.address === address) return open.sql;
    await drop();
    const sql = await clients.sqlAt(address);
    const mine = { address, sql };
    open = mine;
    void sql.closed.then(() => {
      if (open !== mine) return;
      open = undefined;
      connectionLost();
      loop.nudge();
    });
    return sql;
  };
  const loop = new Loop({
    name: 'watch of the primary',
    log,
    everyMs: () => everyMs,
    async run() {
      const address = primaryAddress(facts);
      if (address === undefined) {
        await drop();
        everyMs = CALM_MS;
        facts.set('primary', unknown('no primary is known'));
        return;
      }
      try {
        const view = await read(await connectedTo(address), clients, address);
        facts.set('primary', view ? known(view) : unknown(`${address} is still in recovery`));
        everyMs = view ? CALM_MS : QUICK_MS;
      } catch (error) {
        await drop();
        everyMs = RETRY_MS;
        facts.set('primary', unknown(messageOf(error)));
      }
    },
  });
  return { loop, close: drop };
}

function primaryAddress({ now }: Facts): string | undefined {
  if (!now.patroni.known) return undefined;
  const leader = now.patroni.value.members.find((member) => member.role === 'primary');
  return leader?.address || undefined;
}

/** Thousands that nobody decides by and that have no password here: see decide/directory.ts. */
const NOT_OF_DIRECTORY = `NOT EXISTS (SELECT FROM pg_catalog.pg_shdescription d
      WHERE d.classoid = 'pg_authid'::regclass AND d.objoid = r.oid
        AND d.description LIKE 'ldap-sync %')`;

/** One round trip. Everything after the first statement is empty on a server in recovery. */
const QUERY = `
  SELECT pg_catalog.pg_is_in_recovery() AS recovery,
    pg_catalog.current_setting('server_version') AS version,
    pg_catalog.current_setting('synchronous_standby_names') AS waits,
    (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
    pg_catalog.current_setting('shared_preload_libraries') AS preloaded;
  SELECT datname AS name, pg_catalog.pg_get_userbyid(datdba) = '${DATABASES_OWNER}' AS clients,
    pg_catalog.has_database_privilege('public', oid, 'CONNECT') AS open
    FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1;
  SELECT r.rolname AS name, r.rolcanlogin AS login, r.rolsuper AS superuser,
    r.rolreplication AS replication, r.rolpassword AS verifier, r.rolconnlimit AS limit,
    (r.rolvaliduntil IS NOT NULL AND r.rolvaliduntil <= pg_catalog.now()) AS expired,
    ARRAY(SELECT DISTINCT g.rolname::text FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_authid g ON g.oid = m.roleid
      WHERE m.member = r.oid ORDER BY 1) AS member_of,
    ARRAY(SELECT d.datname::text FROM pg_catalog.pg_database d
      WHERE r.rolcanlogin AND r.rolname !~ '^relation[-_]' AND d.datallowconn
        AND NOT d.datistemplate AND pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')
      ORDER BY 1) AS connect,
    COALESCE(c.description, '') AS comment, COALESCE(s.assumes, '{}') AS assumes
    FROM pg_catalog.pg_authid r
    LEFT JOIN pg_catalog.pg_shdescription c
      ON c.objoid = r.oid AND c.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
    LEFT JOIN (SELECT setrole, pg_catalog.json_object_agg(COALESCE(datname, ''),
        pg_catalog.substr(setting, 6) ORDER BY datname) AS assumes
      FROM pg_catalog.pg_db_role_setting CROSS JOIN pg_catalog.unnest(setconfig) setting
      LEFT JOIN pg_catalog.pg_database d ON d.oid = setdatabase
      WHERE setting LIKE 'role=%' GROUP BY setrole) s ON s.setrole = r.oid
    WHERE r.rolname !~ '^pg_' AND ${NOT_OF_DIRECTORY} ORDER BY 1;
  SELECT application_name AS member, state,
    COALESCE(pg_catalog.pg_wal_lsn_diff(
      CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
        ELSE pg_catalog.pg_current_wal_lsn() END, replay_lsn), 0)::float8 AS lag
    FROM pg_catalog.pg_stat_replication ORDER BY 1;
  SELECT d.datname AS name, (SELECT substr(c, strpos(c, '=') + 1)
      FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
      WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c LIKE 'pgcharm.extensions=%') AS extensions
    FROM pg_catalog.pg_database d
    WHERE d.datallowconn AND (NOT d.datistemplate OR d.datname = 'template1') ORDER BY 1`;

interface ServerRow {
  recovery: boolean;
  version: string;
  waits: string;
  system: string;
  preloaded: string;
}

function listed(value: unknown): string[] {
  return String(value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

interface RoleRow {
  name: string;
  login: boolean;
  superuser: boolean;
  replication: boolean;
  verifier: string | null;
  expired: boolean;
  member_of: string[];
  /** Databases that it may enter; none of clients, whose relations say which. */
  connect: string[];
  limit: number;
  comment: string;
  assumes: Record<string, string>;
}

interface DatabaseRow {
  name: string;
  clients: boolean;
  open: boolean;
}

async function read(
  sql: SqlPort,
  clients: Clients,
  address: string,
): Promise<PrimaryView | undefined> {
  const [server, databases, roles, standbys, recorded] = await sql.queryAll(QUERY);
  const [facts] = (server ?? []) as unknown as ServerRow[];
  if (facts === undefined || facts.recovery) return undefined;
  const rows = (roles ?? []) as unknown as RoleRow[];
  const found = (databases ?? []) as unknown as DatabaseRow[];
  const own = ownUsers(clients.desired.postgres);
  return {
    address,
    database: {
      systemIdentifier: facts.system,
      serverVersion: facts.version,
      databases: found.map(({ name }) => name),
      clientDatabases: found.filter(({ clients }) => clients).map(({ name }) => name),
      openDatabases: found.filter(({ open }) => open).map(({ name }) => name),
      roles: rows.map(
        ({ name, login, superuser, member_of, connect, limit, comment, assumes }) => ({
          name,
          login,
          superuser,
          memberOf: member_of,
          ...(own.has(name) || connect.length === 0 ? {} : { connect }),
          connectionLimit: limit,
          comment,
          assumes,
        }),
      ),
      extensions: Object.fromEntries(
        (recorded ?? []).map((row) => [String(row['name']), listed(row['extensions'])]),
      ),
      preloaded: listed(facts.preloaded),
    },
    users: pooled(rows, clients.desired),
    waitsFor: standbyNames(facts.waits),
    replication: (standbys ?? []).map((row) => ({
      member: String(row['member']),
      state: String(row['state']),
      lagBytes: Math.max(0, Number(row['lag'])),
    })),
  };
}

/** Whom the pooler knows: nobody with more rights than a client has been given. */
function pooled(rows: readonly RoleRow[], { postgres, pooler }: Desired): PoolerUser[] {
  const own = ownUsers(postgres);
  const declared = new Set(pooler.access.map((rule) => rule.user));
  return rows
    .filter((row) => row.login && !row.replication && !row.expired && !own.has(row.name))
    .filter((row) => !row.superuser || declared.has(row.name))
    .filter((row) => row.verifier?.startsWith('SCRAM-SHA-256$'))
    .map((row) => ({ name: row.name, verifier: row.verifier ?? '' }));
}

function ownUsers({ superuser, replicationUser }: Desired['postgres']): ReadonlySet<string> {
  return new Set([...SYSTEM_USERS, superuser, replicationUser]);
}

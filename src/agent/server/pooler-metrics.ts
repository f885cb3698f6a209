/**
 * PgBouncer's own tables as metrics, named as the exporter of the Prometheus community names them
 * (github.com/prometheus-community/pgbouncer_exporter), so that boards and rules for it fit. Pure
 * but for asking the console.
 */
import type { PoolerAdmin } from '../../charm/workload/ports.ts';
import type { Family } from './exposition.ts';

type Row = Readonly<Record<string, unknown>>;
/** Name of the metric, its help, and what a value is multiplied by. */
type Column = readonly [name: string, help: string, factor?: number];

const MICROSECONDS = 1e-6;

const POOLS: Readonly<Record<string, Column>> = {
  cl_active: ['client_active_connections', 'clients that are linked to a server connection'],
  cl_waiting: ['client_waiting_connections', 'clients that wait for a server connection'],
  sv_active: ['server_active_connections', 'server connections that are linked to a client'],
  sv_idle: ['server_idle_connections', 'server connections that are ready for a client'],
  sv_used: ['server_used_connections', 'server connections that must be checked before use'],
  sv_tested: ['server_testing_connections', 'server connections that are being checked'],
  sv_login: ['server_login_connections', 'server connections that are logging in'],
  maxwait: ['client_maxwait_seconds', 'how long the oldest waiting client has waited'],
};

const DATABASES: Readonly<Record<string, Column>> = {
  pool_size: ['pool_size', 'most server connections'],
  reserve_pool: ['reserve_pool', 'most further server connections'],
  max_connections: ['max_connections', 'most connections to the database'],
  current_connections: ['current_connections', 'connections to the database'],
  paused: ['paused', '1 while the database is paused'],
  disabled: ['disabled', '1 while the database is disabled'],
};

const STATS: Readonly<Record<string, Column>> = {
  query_count: ['queries_pooled_total', 'queries pooled'],
  query_time: ['queries_duration_seconds_total', 'time spent with queries', MICROSECONDS],
  bytes_received: ['received_bytes_total', 'bytes received from clients and servers'],
  bytes_sent: ['sent_bytes_total', 'bytes sent to clients and servers'],
  wait_time: ['client_wait_seconds_total', 'time that clients waited for a server', MICROSECONDS],
  xact_count: ['sql_transactions_pooled_total', 'transactions pooled'],
  xact_time: ['server_in_transaction_seconds_total', 'time spent in transactions', MICROSECONDS],
};

const LISTS: Readonly<Record<string, Column>> = {
  databases: ['databases', 'databases'],
  users: ['users', 'users'],
  pools: ['pools', 'pools'],
  free_clients: ['free_clients', 'free entries for clients'],
  used_clients: ['used_clients', 'clients'],
  login_clients: ['login_clients', 'clients that are logging in'],
  free_servers: ['free_servers', 'free entries for server connections'],
  used_servers: ['used_servers', 'server connections'],
};

const CONFIG: Readonly<Record<string, Column>> = {
  max_client_conn: ['config_max_client_connections', 'most client connections'],
  max_user_connections: ['config_max_user_connections', 'most server connections of a user'],
};

/** Every family, or `pgbouncer_up 0` alone while the console does not answer. */
export async function poolerFamilies(console: PoolerAdmin): Promise<Family[]> {
  const up = (value: number): Family => ({
    name: 'pgbouncer_up',
    help: '1 when PgBouncer has answered',
    samples: [{ value }],
  });
  try {
    const pools = await console.show('POOLS');
    const databases = await console.show('DATABASES');
    const stats = await console.show('STATS_TOTALS');
    const lists = await console.show('LISTS');
    const config = await console.show('CONFIG');
    return [
      up(1),
      ...table('pools', POOLS, pools, ['database', 'user']),
      ...table('databases', DATABASES, databases, [
        'name',
        'host',
        'port',
        'database',
        'force_user',
        'pool_mode',
      ]),
      ...table('stats', STATS, stats, ['database']).map(counting),
      ...single(LISTS, lists, 'list', 'items'),
      ...single(CONFIG, config, 'key', 'value'),
    ];
  } catch {
    return [up(0)];
  }
}

/** One sample per row and column. */
function table(
  prefix: string,
  columns: Readonly<Record<string, Column>>,
  rows: readonly Row[],
  labels: readonly string[],
): Family[] {
  return Object.entries(columns).map(([column, [name, help, factor = 1]]) => ({
    name: `pgbouncer_${prefix}_${name}`,
    help,
    samples: rows
      .filter((row) => row[column] !== undefined)
      .map((row) => ({
        labels: Object.fromEntries(labels.map((label) => [label, String(row[label] ?? '')])),
        value: Number(row[column]) * factor,
      })),
  }));
}

/** A table whose rows are names and values. */
function single(
  names: Readonly<Record<string, Column>>,
  rows: readonly Row[],
  key: string,
  value: string,
): Family[] {
  return Object.entries(names).map(([row, [name, help]]) => ({
    name: `pgbouncer_${name}`,
    help,
    samples: rows
      .filter((each) => each[key] === row)
      .map((each) => ({ value: Number(each[value]) })),
  }));
}

const counting = (family: Family): Family => ({ ...family, type: 'counter' });

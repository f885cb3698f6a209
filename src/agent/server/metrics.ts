/**
 * What Prometheus reads of a unit, in its text format: `/metrics` of the agent (cluster, etcd,
 * pooler, backup and itself) and `/pgbouncer`, and on a port of its own the repository. Label
 * values of the agent are members and fixed words: the number of its series never grows with use.
 */
import type { RequestListener } from 'node:http';
import type { Gauge, Registry } from 'prom-client';
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { AgentWorld } from '../../charm/model/world.ts';
import type { PoolerAdmin } from '../../charm/workload/ports.ts';
import { backupFamilies } from './backup-metrics.ts';
import { exposition } from './exposition.ts';
import { poolerFamilies } from './pooler-metrics.ts';

export interface MetricsSource {
  world(): AgentWorld;
  console(): PoolerAdmin;
  wakes(): { wakes: number; failures: number };
}

interface Metrics {
  registry: Registry;
  gauges: Record<GaugeName, Gauge>;
}

/** Name without the prefix `pgcharm_`, its help, its labels. */
const GAUGES = {
  cluster_known: ['1 when the cluster can be seen', []],
  cluster_member_role: ['1 for the role that a member has', ['member', 'role']],
  cluster_member_streaming: ['1 when a standby streams from the primary', ['member']],
  cluster_member_lag_bytes: ['bytes of WAL that a standby has not replayed', ['member']],
  cluster_timeline: ['timeline of a member', ['member']],
  cluster_has_primary: ['1 when there is a primary that accepts writes', []],
  cluster_paused: ['1 while Patroni is paused', []],
  server_known: ["1 when the unit's own PostgreSQL answers the agent", []],
  server_damaged_pages: ['reads of pages whose checksum was wrong', []],
  etcd_known: ['1 when etcd answers', []],
  etcd_member_healthy: ['1 when a member of etcd answers and knows a leader', ['member']],
  pooler_up: ['1 when PgBouncer answers', []],
  pooler_has_primary: ['1 when the pooler leads to a primary', []],
  pooler_paused: ['1 while a pool is paused', []],
  pooler_users: ['users that may log in to the pooler', []],
  pooler_clients: ['client connections of the pooler', ['state']],
  pooler_servers: ['server connections of the pooler', ['state']],
  backup_repository_ok: ['1 when the repository can be used', []],
  backup_archiving: ['1 when WAL is being archived', []],
  backup_count: ['usable backups in the repository', []],
  backup_last_stop_timestamp_seconds: ['end of the newest usable backup', []],
  jobs: ['jobs that are on record', ['state']],
  agent_generation: ['generation of desired.json in force', []],
  agent_wakes: ['times that the charm was woken since the agent started', []],
  agent_wake_failures: ['failures in a row to wake the charm', []],
} as const satisfies Record<string, readonly [help: string, labels: readonly string[]]>;
type GaugeName = keyof typeof GAUGES;

export function metricsListener(source: MetricsSource, log: Log): RequestListener {
  let metrics: Promise<Metrics> | undefined;
  return pages(
    {
      async '/metrics'() {
        // Loaded with the first scrape: a unit that nobody watches does not pay for it.
        metrics ??= create();
        const { registry, gauges } = await metrics;
        await fill(gauges, source);
        return registry.metrics();
      },
      async '/pgbouncer'() {
        return exposition(await poolerFamilies(source.console()));
      },
    },
    log,
  );
}

/** @param info JSON of pgBackRest's info, 'none' while there is no repository */
export function backupListener(
  info: () => Promise<string | 'none' | undefined>,
  log: Log,
): RequestListener {
  return pages(
    {
      async '/metrics'() {
        const json = await info();
        if (json === 'none') return '';
        return exposition(backupFamilies(json, Date.now() / 1000));
      },
    },
    log,
  );
}

function pages(texts: Readonly<Record<string, () => Promise<string>>>, log: Log): RequestListener {
  return (request, response) => {
    const text = texts[request.url?.split('?')[0] ?? ''];
    if (request.method !== 'GET' || text === undefined) {
      response.writeHead(404).end();
      return;
    }
    text()
      .then((body) => response.writeHead(200, { 'content-type': TEXT }).end(body))
      .catch((error: unknown) => {
        log.error(`metrics: ${messageOf(error)}`);
        response.writeHead(500).end();
      });
  };
}

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

async function create(): Promise<Metrics> {
  const { Gauge, Registry, collectDefaultMetrics } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({
    register: registry,
    prefix: 'pgcharm_agent_',
    // Its default wakes the process a hundred times a second.
    eventLoopMonitoringPrecision: 500,
  });
  const gauges = Object.fromEntries(
    Object.entries(GAUGES).map(([name, [help, labels]]) => [
      name,
      new Gauge({
        name: `pgcharm_${name}`,
        help,
        labelNames: [...labels],
        registers: [registry],
      }),
    ]),
  ) as Record<GaugeName, Gauge>;
  return { registry, gauges };
}

async function fill(gauges: Metrics['gauges'], source: MetricsSource): Promise<void> {
  for (const gauge of Object.values(gauges)) gauge.reset();
  const world = source.world();
  fillCluster(gauges, world);
  fillBackup(gauges, world);
  await fillPooler(gauges, world, source.console);
  const { wakes, failures } = source.wakes();
  gauges.agent_generation.set(world.generation);
  gauges.agent_wakes.set(wakes);
  gauges.agent_wake_failures.set(failures);
}

function fillCluster(gauges: Metrics['gauges'], world: AgentWorld): void {
  const { cluster, etcd, database, local } = world;
  gauges.server_known.set(Number(local.known));
  if (local.known) gauges.server_damaged_pages.set(local.value.damagedPages);
  gauges.cluster_known.set(Number(cluster.known));
  gauges.cluster_has_primary.set(Number(database.known));
  gauges.etcd_known.set(Number(etcd.known));
  if (etcd.known) {
    for (const member of etcd.value.members) {
      gauges.etcd_member_healthy.set({ member: member.name }, Number(member.healthy));
    }
  }
  if (!cluster.known) return;
  gauges.cluster_paused.set(Number(cluster.value.paused));
  for (const { name: member, ...state } of cluster.value.members) {
    gauges.cluster_member_role.set({ member, role: state.role }, 1);
    gauges.cluster_member_streaming.set({ member }, Number(state.streaming));
    if (state.lagBytes !== undefined) {
      gauges.cluster_member_lag_bytes.set({ member }, state.lagBytes);
    }
    if (state.timeline !== undefined) gauges.cluster_timeline.set({ member }, state.timeline);
  }
}

function fillBackup(gauges: Metrics['gauges'], { backup, jobs }: AgentWorld): void {
  for (const state of ['running', 'done', 'failed', 'cancelled']) {
    gauges.jobs.set({ state }, jobs.filter((job) => job.state === state).length);
  }
  if (!backup.known) return;
  const usable = backup.value.backups.filter((each) => !each.error);
  gauges.backup_repository_ok.set(Number(backup.value.stanza === 'ok'));
  gauges.backup_archiving.set(Number(backup.value.archiving));
  gauges.backup_count.set(usable.length);
  const stops = usable.map((each) => each.stop);
  if (stops.length > 0) gauges.backup_last_stop_timestamp_seconds.set(Math.max(...stops));
}

/** Columns of SHOW POOLS that are summed into one series each. */
const POOL_STATES = {
  clients: ['active', 'waiting'],
  servers: ['active', 'idle', 'used'],
} as const;

async function fillPooler(
  gauges: Metrics['gauges'],
  { pooler }: AgentWorld,
  console: () => PoolerAdmin,
): Promise<void> {
  gauges.pooler_up.set(Number(pooler.known));
  if (!pooler.known) return;
  gauges.pooler_has_primary.set(Number(pooler.value.primary !== undefined));
  gauges.pooler_paused.set(Number(pooler.value.paused));
  gauges.pooler_users.set(pooler.value.users.length);
  const pools = await console()
    .show('POOLS')
    .catch(() => []);
  const sum = (column: string) => pools.reduce((total, row) => total + Number(row[column] ?? 0), 0);
  for (const state of POOL_STATES.clients) gauges.pooler_clients.set({ state }, sum(`cl_${state}`));
  for (const state of POOL_STATES.servers) gauges.pooler_servers.set({ state }, sum(`sv_${state}`));
}

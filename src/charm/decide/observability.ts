/**
 * What this unit offers on the `cos-agent` endpoint: its scrape jobs, the alert rules about them
 * and the dashboards, and the exporter that is there for nobody else. Every unit speaks for itself.
 * Pure: asks no metric whether it is there.
 */
import { cosAgentData, type ScrapeJob } from '../../../lib/relations/cos-agent.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import { ETCD_METRICS_PORT } from '../../../lib/relations/etcd-member.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { OTLP_HTTP } from '../../../lib/relations/tracing.ts';
import { MONITOR } from '../model/hba.ts';
import { PORTS } from '../model/patroni-config.ts';
import { probe, type Relation, type ServiceSpec, type Snapshot } from '../model/snapshot.ts';
import { type Decider, type Decision, step } from '../model/steps.ts';

const COS_ENDPOINT = 'cos-agent';
const EXPORTER_PORT = 9187;

export const observability: Decider = (world) => {
  const { address } = world.unit;
  const { monitoring } = world.program;
  const relations = watchers(world);
  if (address === undefined || monitoring === undefined || relations.length === 0) return [];
  const topology = {
    model: world.model.name,
    modelUuid: world.model.uuid,
    app: world.app,
    charm: 'postgresql',
  };
  const wanted = cosAgentData(topology, {
    jobs: scrapeJobs(address, votes(world)),
    tracingProtocols: [OTLP_HTTP],
    ...monitoring,
  });
  return relations.flatMap(({ id, app, localUnit }) => {
    const data = changedKeys(wanted, localUnit);
    if (Object.keys(data).length === 0) return [];
    const args = { endpoint: COS_ENDPOINT, relationId: id, scope: 'unit', data } as const;
    return [step('relation-set', args, `${app} is told what to scrape here`)];
  });
};

/** The exporter runs while somebody listens, as a role that logs in by being the servers' user. */
export const exporter: Decider = (world) => {
  const service = world.services['exporter'];
  if (watchers(world).length === 0) {
    if (service?.wantedUp !== true) return [];
    return [step('stop-service', { name: 'exporter' }, 'nobody asks for its metrics any more')];
  }
  const spec = exporterSpec(world);
  if (spec === undefined || !world.supervised) return [];
  if (JSON.stringify(service?.spec) !== JSON.stringify(spec)) {
    const why = service === undefined ? 'somebody asks for metrics' : 'it shall run otherwise';
    return [step('define-service', { name: 'exporter', spec }, why)];
  }
  const start = step('start-service', { name: 'exporter' }, 'somebody asks for metrics');
  return [...(service?.wantedUp ? [] : [start]), ...role(world)];
};

function role(world: Snapshot): Decision[] {
  const database = probe(world, 'database');
  if (!world.unit.isLeader || !database.known) return [];
  const found = database.value.roles.find(({ name }) => name === MONITOR);
  if (found?.login === true && found.memberOf.includes('pg_monitor')) return [];
  return [step('ensure-monitoring-role', {}, `role ${MONITOR} cannot read statistics yet`)];
}

/** Undefined while its program or the unit's address is not there. */
export function exporterSpec({ machine, layout, unit }: Snapshot): ServiceSpec | undefined {
  if (machine.packages.versions['exporter'] === undefined || unit.address === undefined) {
    return undefined;
  }
  const user = machine.serverUser?.name;
  const socket = encodeURIComponent(layout.run);
  return {
    command: [
      '/usr/bin/prometheus-postgres-exporter',
      `--web.listen-address=${hostPort(unit.address, EXPORTER_PORT)}`,
      '--log.level=warn',
    ],
    ...(user === undefined ? {} : { user }),
    // None of its arguments says whose it is.
    directory: layout.run,
    env: {
      HOME: layout.run,
      // No password: pg_hba.conf lets the servers' user be this role over the socket.
      DATA_SOURCE_NAME: `postgresql://${MONITOR}@/postgres?host=${socket}&sslmode=disable`,
    },
  };
}

function watchers(world: Snapshot): Relation[] {
  return world.relations.filter(({ endpoint, ending }) => endpoint === COS_ENDPOINT && !ending);
}

/** An etcd with metrics of its own runs here. */
function votes(world: Snapshot): boolean {
  const config = world.files[world.layout.etcdConfig] ?? '';
  return world.services['etcd']?.wantedUp === true && config.includes('listen-metrics-urls');
}

/** What may be scraped at this unit's own address. */
export function scrapeJobs(address: string, voter: boolean): ScrapeJob[] {
  const plain = (name: string, port: number, path = '/metrics'): ScrapeJob => ({
    job_name: name,
    metrics_path: path,
    static_configs: [{ targets: [hostPort(address, port)] }],
  });
  return [
    plain('agent', PORTS.metrics),
    plain('pgbouncer', PORTS.metrics, '/pgbouncer'),
    plain('pgbackrest', PORTS.backupMetrics),
    plain('postgresql', EXPORTER_PORT),
    ...(voter ? [plain('etcd', ETCD_METRICS_PORT)] : []),
    {
      ...plain('patroni', PORTS.patroni),
      scheme: 'https',
      // Its certificate is of the internal CA, which is nobody's business outside.
      tls_config: { insecure_skip_verify: true },
    },
  ];
}

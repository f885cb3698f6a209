/** etcd's configuration file, as a value. JSON is YAML, so rendering it needs no library. */
import { clientUrl, inUrl, peerUrl } from './etcd-facts.ts';
import type { Snapshot } from './snapshot.ts';

export const ETCD_METRICS_PORT = 2381;

export interface EtcdPlan {
  /** What an etcd that has no data yet does: found a cluster of one, or join one as a learner. */
  state: 'new' | 'existing';
  epoch: number;
  /** Started members and this one, `name=peerUrl`. */
  initialCluster: string;
  /** Id that the cluster gave the learner; '' for a founder. */
  memberId: string;
}

/**
 * etcd reads the initial-cluster part only while its directory is empty; afterwards the file is
 * left as it was first written.
 *
 * @param address the unit's own
 */
export function etcdConfig(world: Snapshot, address: string, plan: EtcdPlan): string {
  const { tls } = world.layout;
  const security = {
    'cert-file': tls.cert,
    'key-file': tls.key,
    'client-cert-auth': true,
    'trusted-ca-file': tls.ca,
  };
  return render({
    name: world.unit.member,
    'data-dir': world.layout.etcdData,
    'listen-peer-urls': peerUrl(address),
    'listen-client-urls': clientUrl(address),
    'initial-advertise-peer-urls': peerUrl(address),
    'advertise-client-urls': clientUrl(address),
    // Metrics without a certificate; nothing else is served there.
    'listen-metrics-urls': `http://${inUrl(address)}:${ETCD_METRICS_PORT}`,
    'initial-cluster': plan.initialCluster,
    'initial-cluster-state': plan.state,
    'initial-cluster-token': etcdToken(world, plan.epoch, plan.memberId),
    // With the check on, etcd refuses a second change of members for about five seconds; the charm
    // has its own check, that every voter answers.
    'strict-reconfig-check': false,
    // Patroni and the agent speak HTTP to etcd. With a configuration file the gateway is off.
    'enable-grpc-gateway': true,
    'client-transport-security': security,
    'peer-transport-security': security,
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    'snapshot-count': 10_000,
    'max-snapshots': 2,
    'max-wals': 2,
    'log-level': 'warn',
    logger: 'zap',
    'log-outputs': ['stderr'],
  });
}

/** Names one formation of one cluster: members of different tokens never talk to each other. */
function etcdToken(world: Snapshot, epoch: number, memberId: string): string {
  return [world.model.uuid, world.app, epoch, memberId].join(' ');
}

/** Epoch and member id of the configuration on disk, or undefined when there is none to read. */
export function etcdOnDisk(world: Snapshot): { epoch: number; memberId: string } | undefined {
  const text = world.files[world.layout.etcdConfig];
  const token = /"initial-cluster-token": "([^"]*)"/.exec(text ?? '')?.[1];
  const [, , epoch, memberId] = token?.split(' ') ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), memberId: memberId ?? '' };
}

/** JSON, which every YAML reader reads. */
export function render(config: unknown): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

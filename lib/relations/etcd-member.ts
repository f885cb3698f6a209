/**
 * What charms agree on whose etcd are members of one cluster: ports, URLs and the configuration
 * file. Which members there are is for the charm that the cluster belongs to.
 */
export const ETCD_METRICS_PORT = 2381;

export const clientUrl = (address: string): string => `https://${inUrl(address)}:2379`;
export const peerUrl = (address: string): string => `https://${inUrl(address)}:2380`;

/** IPv6 addresses stand in brackets within a URL. */
export function inUrl(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

export interface EtcdMemberWish {
  name: string;
  /** Of this member. */
  address: string;
  dataDirectory: string;
  /** Paths. */
  tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** What it does while it has no data yet: found a cluster of one, or join one as a learner. */
  state: 'new' | 'existing';
  /** Started members and this one, `name=peerUrl`. */
  initialCluster: string;
  token: string;
}

/**
 * etcd reads the initial-cluster part only while its directory is empty; afterwards the file is
 * left as it was first written.
 */
export function etcdMemberConfig(wish: EtcdMemberWish): Record<string, unknown> {
  const { address, tls } = wish;
  const security = {
    'cert-file': tls.cert,
    'key-file': tls.key,
    'client-cert-auth': true,
    'trusted-ca-file': tls.ca,
  };
  return {
    name: wish.name,
    'data-dir': wish.dataDirectory,
    'listen-peer-urls': peerUrl(address),
    'listen-client-urls': clientUrl(address),
    'initial-advertise-peer-urls': peerUrl(address),
    'advertise-client-urls': clientUrl(address),
    // Metrics without a certificate; nothing else is served there.
    'listen-metrics-urls': `http://${inUrl(address)}:${ETCD_METRICS_PORT}`,
    'initial-cluster': wish.initialCluster,
    'initial-cluster-state': wish.state,
    'initial-cluster-token': wish.token,
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
  };
}

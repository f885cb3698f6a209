/**
 * Where everything of a unit lies, computed from the parent of its charm directory and its
 * storages. The table with modes and writers is in docs/architecture.md. Touches no file.
 */
/** Entry of the agent, below the charm directory and below each of its copies. */
export const AGENT_ENTRY = 'src/agent/main.js';

export interface Layout {
  /** Parent of the charm directory. */
  readonly base: string;
  /** `base`/pg */
  readonly root: string;
  readonly desired: string;
  readonly etc: string;
  readonly etcdConfig: string;
  readonly patroniConfig: string;
  readonly pgbackrestConfig: string;
  /** The object store's CA. */
  readonly s3Ca: string;
  /** Certificates and keys, the internal ones and those that others issue. */
  readonly tlsDirectory: string;
  /** How PostgreSQL reaches a directory, and whose certificate it trusts there. */
  readonly ldapConfig: string;
  readonly ldapCa: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly run: string;
  readonly log: string;
  readonly service: string;
  readonly etcdData: string;
  readonly agent: string;
  readonly bin: string;
  /** Spans of events, until somebody takes them. */
  readonly traces: string;
  readonly profile: string;
  readonly agentSocket: string;
  readonly versions: string;
  /** PGDATA, the directory for WAL and the one for temporary files; undefined without storage. */
  readonly data: string | undefined;
  readonly wal: string | undefined;
  readonly temp: string | undefined;
}

/** Known before anything is observed. */
export function tracesOf(base: string): string {
  return `${base}/pg/traces`;
}

export function layoutOf(
  base: string,
  storages: Readonly<Record<string, string>>,
  major: number | undefined,
): Layout {
  const root = `${base}/pg`;
  const etc = `${root}/etc`;
  const tls = `${root}/tls`;
  const below = (storage: string, rest: string): string | undefined => {
    const location = storages[storage];
    return location === undefined || major === undefined
      ? undefined
      : `${location}/${major}${rest}`;
  };
  return {
    base,
    root,
    desired: `${root}/desired.json`,
    etc,
    etcdConfig: `${etc}/etcd.yaml`,
    patroniConfig: `${etc}/patroni.yaml`,
    pgbackrestConfig: `${etc}/pgbackrest.conf`,
    s3Ca: `${etc}/s3-ca.pem`,
    tlsDirectory: tls,
    ldapConfig: `${etc}/ldap.conf`,
    ldapCa: `${etc}/ldap-ca.pem`,
    tls: { ca: `${tls}/ca.pem`, cert: `${tls}/cert.pem`, key: `${tls}/key.pem` },
    run: `${root}/run`,
    log: `${root}/log`,
    service: `${root}/service`,
    etcdData: `${root}/etcd`,
    agent: `${root}/agent`,
    bin: `${root}/bin`,
    traces: tracesOf(base),
    profile: `${base}/profile`,
    agentSocket: `${root}/run/agent.sock`,
    versions: `${root}/versions.json`,
    data: below('data', '/main'),
    wal: below('logs', '/main/pg_wal'),
    temp: below('temp', ''),
  };
}

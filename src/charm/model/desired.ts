/**
 * `desired.json`: what the hook wants of this unit, read by the agent. Written atomically, 0600;
 * the agent refuses a `version` newer than it knows and keeps what it had.
 */
export const DESIRED_VERSION = 1;

export interface Desired {
  version: typeof DESIRED_VERSION;
  /** Grows with every change of content; the agent answers with the one it has reached. */
  generation: number;
  unit: UnitIdentity;
  /** Every unit of the application that has published an address, this one included. */
  members: Member[];
  paths: Paths;
  /** User the servers run as; undefined: the agent's own. */
  serverUser: { name: string; uid: number; gid: number } | undefined;
  etcd: { endpoints: string[] };
  patroni: {
    scope: string;
    namespace: string;
    port: number;
    username: string;
    password: string;
    /** PEM file of whom to trust at its REST interface; undefined: the internal CA's. */
    ca?: string;
  };
  postgres: {
    port: number;
    major: number;
    binDir: string;
    /** Superuser of the operator; over the unit's own socket, and over TCP to the primary. */
    superuser: string;
    password: string;
    replicationUser: string;
    /** Some unit may refuse connections without TLS. */
    tls?: boolean;
  };
  pooler: PoolerWish;
  /** The second is of pgBackRest, where its well-known exporter has it. */
  metrics: { port: number; backupPort: number };
  /** Where spans go, and where hooks leave them; left out: nobody takes them. */
  tracing?: { url: string; directory: string } | undefined;
  /** How to wake the charm: argv of juju-exec. */
  wake: {
    command: string[];
    /** Moments, in milliseconds since 1970, at which to do so whatever else is. */
    at?: number[];
  };
  backup: BackupWish | undefined;
  /** Says whether the machine of a unit is off; left out: nobody can. */
  fence?: { command: string };
  /** Whose users get a role each; undefined: no directory is related. */
  directory?: DirectoryWish | undefined;
}

export interface UnitIdentity {
  /** `postgresql/0` */
  name: string;
  /** Patroni's and etcd's member name: `postgresql-0` */
  member: string;
  app: string;
  address: string;
  model: string;
  modelUuid: string;
}

export interface Member {
  unit: string;
  member: string;
  address: string;
  /** Where it says it is; left out: nobody knows. */
  zone?: string;
}

/** Absolute paths, see docs/architecture.md. */
export interface Paths {
  base: string;
  etc: string;
  run: string;
  log: string;
  tls: { ca: string; cert: string; key: string };
  dataDir: string;
  service: string;
}

export interface PoolerWish {
  port: number;
  mode: 'session' | 'transaction';
  maxClientConnections: number;
  poolSize: number;
  /** `max_prepared_statements`; 0 where PgBouncer cannot, see model/capabilities.ts. */
  maxPreparedStatements: number;
  /** What it shows clients, who then have to speak TLS; undefined: nobody can. */
  tls?: { cert: string; key: string };
  /** For a new primary: how long clients wait, 0: not at all; how many, undefined: any number. */
  failoverWait: { seconds: number; clients?: number | undefined };
  /** Lag in bytes beyond which a replica serves no aliases for reading. */
  readerLagBytes: number;
  /** One HBA line each, also for PostgreSQL: who may come from where. */
  access: AccessRule[];
  /** Lines of an operator that come before; left out without any. */
  entries?: string[];
}

/** A login role, the databases it may use, and the networks it may come from. */
export interface AccessRule {
  /** The user was made by SQL; no relation asks for the rule. */
  bySql?: true;
  user: string;
  databases: string[];
  /** CIDR, IPv4 or IPv6. */
  networks: string[];
  /** Most server connections of one pooler for this user; left out: no limit of its own. */
  connectionLimit?: number;
  /** It has to show a certificate, too, for which the pooler cannot ask a single user. */
  certificate?: true;
}

/** A directory, and which of its users and groups become what. */
export interface DirectoryWish {
  security: 'ldaps' | 'starttls';
  servers: { host: string; port: number }[];
  baseDn: string;
  bindDn: string;
  password: string;
  /** PEM file of the authority to trust. */
  caFile: string;
  /** `ldap-search-filter`, in which `$username` is who logs in. */
  filter: string;
  map: { group: string; role: string }[];
}

export interface BackupWish {
  stanza: string;
  /** pgbackrest.conf that the hook wrote. */
  config: string;
  s3: S3Target;
}

export interface S3Target {
  endpoint: string;
  region: string;
  bucket: string;
  /** With exactly one leading slash, or empty. */
  path: string;
  accessKey: string;
  secretKey: string;
  uriStyle: 'host' | 'path';
  /** PEM file of the CAs that may vouch for the store, or undefined for the system's. */
  caFile: string | undefined;
  /** The system's count beside those of the file. */
  systemToo?: boolean;
}

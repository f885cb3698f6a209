/**
 * Every step this charm can take, with its arguments. A decider names one; `src/charm/apply` holds
 * the code behind it, one file per family.
 *
 * Arguments are printed in plans and logs: what is secret is wrapped in `Secret`, with a digest
 * beside it so that two contents can be told apart.
 */
import {
  active,
  blocked,
  type Decider as CharmDecider,
  type Decision as CharmDecision,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import type { ProviderFacts } from '../../../lib/relations/postgresql-client.ts';
import type { ClientRequest } from '../../../lib/relations/postgresql-client-request.ts';
import type { Secret } from '../../../lib/std/secret.ts';
import type { CertificateEndpoint } from './certificates.ts';
import type { RoleWish } from './client-roles.ts';
import type { ServiceSpec, Snapshot } from './snapshot.ts';
import type { SystemLogin } from './system-users.ts';
import type { WitnessRequest } from './witness.ts';

/** A text file that a hook owns. */
export interface FileWish {
  path: string;
  content: Secret;
  digest: string;
  /** Permission bits. */
  mode: number;
  /** Whom it belongs to: the servers' user, or the one that runs the charm. */
  owner: 'servers' | 'charm';
}

export interface Steps {
  'install-packages': { packages: string[] };
  'create-directories': { paths: string[] };
  'create-app-secret': { fields: string[] };
  /** Passwords that the operator has set, for the roles and for all who use them. */
  'rotate-passwords': { users: SystemLogin[] };
  /** Into the secret of the application: written once, never another. */
  'keep-identity': { identifier: string };
  'issue-certificate': { addresses: string[] };
  /** A new key and a request for it, kept in the unit's secret; what is in force stays. */
  'request-certificate': {
    endpoint: CertificateEndpoint;
    commonName: string;
    names: string[];
  };
  'forget-request': { endpoint: CertificateEndpoint };
  /** Another internal CA; the one before is trusted until it is retired. */
  'rotate-internal-ca': Record<string, never>;
  'retire-internal-ca': Record<string, never>;
  'write-file': FileWish;
  'install-agent': { revision: string };
  'define-service': { name: ServiceName; spec: ServiceSpec };
  'start-supervisor': Record<string, never>;
  /** `once`: it is not started again when it ends, also not after a restart of the machine. */
  'start-service': { name: ServiceName; once?: boolean };
  /** Takes back Patroni's word in etcd that it makes the first database. */
  'forget-founding': Record<string, never>;
  /** What runs once only shall run on. */
  'keep-service': { name: ServiceName };
  'stop-service': { name: ServiceName };
  'reload-service': { name: ServiceName; digest: string };
  /** Voters that the running Patroni knows by now, beside those it was started with. */
  'note-etcd-hosts': { hosts: readonly string[] };
  /** SIGKILL where an orderly end would take with it what must go on: PostgreSQL under Patroni. */
  'restart-service': { name: ServiceName; signal: 'SIGTERM' | 'SIGKILL' };
  /** Tells the agent that a new desired.json lies there. */
  'apply-desired': { generation: number };
  /**
   * Hands over what this unit holds, while the others still listen; ends within `timeoutMs`, or
   * with a clone that depends on it. `heirs`: members that stay, when none of them has the data.
   */
  'leave-cluster': { timeoutMs: number; heirs: string[] };
  'remove-workload': Record<string, never>;
  /** undefined deletes a key. */
  'peer-set': { scope: 'unit' | 'app'; data: Record<string, string | undefined> };
  'relation-set': {
    endpoint: string;
    relationId: number;
    scope: 'unit' | 'app';
    data: Record<string, string | undefined>;
  };
  'open-ports': { ports: number[] };
  /** The role that reads statistics and nothing else. */
  'ensure-monitoring-role': Record<string, never>;
  /** Creates and drops extensions of one database, and records there which plugins have put. */
  'set-extensions': { database: string; create: string[]; drop: string[]; recorded: string[] };
  'add-learner': { member: string; peerUrl: string };
  'promote-learner': { member: string; id: string };
  'remove-voter': { member: string; id: string };
  'remove-etcd-data': Record<string, never>;
  /** Makes `path` a link to `target`, unless a query has files there. */
  'link-temporary-files': { path: string; target: string };
  /** Moves what lies in a data directory without a control file beside it. */
  'set-data-aside': { path: string };
  'patch-dynamic': { patch: Record<string, unknown> };
  'start-work': { kind: 'switchover' | 'restart'; params: Record<string, string> };
  /** Starts the work and waits for its end; for actions, which show its progress. */
  'run-work': {
    kind: 'switchover' | 'restart' | 'restore' | 'reclone';
    params: Record<string, string>;
  };
  /** Forms a new etcd of this member alone, with what Patroni had stored in the lost one. */
  'reform-etcd': { epoch: number; systemIdentifier: string };
  /** A client's database with its roles; nobody else may connect to it. */
  'ensure-database': { database: string };
  /** The roles of the instance, and what template1 gives every new database. */
  'ensure-instance-roles': Record<string, never>;
  /** A client's role and the secret about it; a secret that exists keeps its password. */
  'issue-credentials': ClientLogin;
  'update-credentials': ClientLogin;
  /** Everything about a client's role but its password. */
  'adjust-role': { role: RoleWish };
  /** Single grants to a client's role, and the record of all that it has been granted. */
  'set-permissions': {
    role: string;
    database: string;
    grant: string[];
    revoke: string[];
    record: string[];
  };
  /** Of a login that is no client's: as in DatabaseRole. */
  'assume-roles': { role: string; assumes: Record<string, string> };
  /** Answers to requests of witnesses, in the secret of their relation, which it is granted to. */
  'certify-witnesses': {
    relationId: number;
    label: string;
    /** PEM of whom they shall trust. */
    authority: string;
    requests: WitnessRequest[];
  };
  'issue-tls-secret': { relationId: number; label: string; content: Record<string, string> };
  /** Lets the other side of a relation read an owned secret. */
  'grant-secret': { relationId: number; label: string };
  /** What the role owned stays and goes to the owner of its database. */
  'drop-client': { role: string };
  'remove-secret': { label: string };
  'remove-secret-revision': { id: string; revision: number };
  /** A job of this unit's agent; `waitMs` undefined follows it to its end. */
  'run-job': { kind: 'backup'; params: Record<string, string>; waitMs: number | undefined };
  'list-backups': { bucket: string; path: string };
  'cancel-job': { id: string };
  'remove-files': { paths: string[] };
}

/** Everything a client's secret says but the password, which no plan may carry. */
export interface ClientLogin {
  relationId: number;
  /** Of the secret that holds it. */
  label: string;
  role: RoleWish;
  facts: ProviderFacts;
  request: Pick<ClientRequest, 'entity' | 'wants'>;
  /** URI of the client's own secret, which may bring a password. */
  given: string | undefined;
}

export type ServiceName =
  | 'etcd'
  | 'patroni'
  | 'pgbouncer'
  | 'agent'
  | 'pgbackrest'
  /** Only while somebody is told of its metrics. */
  | 'exporter';

export type Decision = CharmDecision<Steps>;
export type Decider = CharmDecider<Snapshot, Steps>;

export const step = stepsOf<Steps>();
export { active, blocked, maintenance, waiting };

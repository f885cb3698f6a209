/**
 * Everything one event of the charm decides by: a plain value, read once, never written to.
 *
 * Whatever may be out of reach is `Observed`: known, or unknown with the reason. Times are absent
 * on purpose: where time matters (how long a voter has been silent) the agent has measured it.
 */
import type { RuleGroup } from '../../../lib/relations/cos-agent.ts';
import type { Capabilities } from './capabilities.ts';
import type { Certificates } from './certificates.ts';
import type { OfferedCertificate } from './client-certificates.ts';
import type { Layout } from './layout.ts';
import type { ParsedOptions } from './options.ts';
import type { PermissionState } from './permissions.ts';
import type { AgentWorld, Observed } from './world.ts';

export type Databag = Readonly<Record<string, string>>;
export type ConfigValues = Readonly<Record<string, string | number | boolean>>;

export interface Snapshot {
  readonly event: EventFacts;
  readonly model: { readonly name: string; readonly uuid: string };
  readonly app: string;
  readonly unit: UnitFacts;
  readonly machine: MachineFacts;
  /** What `config-get` gives, as far as this machine can do it; or the first that is refused. */
  readonly options: ParsedOptions;
  /** What options name, where the machine has it: time zones, locales, libraries. */
  readonly named: NamedThings;
  readonly peers: PeerFacts;
  /** Content of `database-peers.<app>.app`; undefined until the first leader has made it. */
  readonly appSecret: OwnedSecret | undefined;
  /** Content of `database-peers.<app>.unit`: this unit's certificate and key. */
  readonly unitSecret: OwnedSecret | undefined;
  /** Content of the secret that `system-users` names; undefined where it cannot be read. */
  readonly systemUsers: Readonly<Record<string, string>> | undefined;
  /** What the certificate in `unitSecret` says; undefined when there is none. */
  readonly certificate: CertificateFacts | undefined;
  /** What others issue to this unit, and whom it is told to trust. */
  readonly certificates: Certificates;
  /** Secrets that the application owns for its relations, by label; read by the leader only. */
  readonly relationSecrets: Readonly<Record<string, OwnedSecret>>;
  /** Content of secrets that others have granted to this application, by their URI. */
  readonly grantedSecrets: Readonly<Record<string, Databag>>;
  /** Certificates that clients offer, by mark; absent without any, and where not leading. */
  readonly offered?: Readonly<Record<string, OfferedCertificate>>;
  /** Of clients that ask for permissions, by mark; absent without any, and where not leading. */
  readonly permissions?: Readonly<Record<string, Observed<PermissionState>>>;
  /** Every relation but the peer relation. */
  readonly relations: readonly Relation[];
  /** As `opened-ports` gives them: `5432/tcp`. */
  readonly openedPorts: readonly string[];
  /** Location of each storage that is attached, by storage name. */
  readonly storages: Readonly<Record<string, string>>;
  /** What lies in the data directory, read without PostgreSQL. */
  readonly data: DataFacts;
  /** State of each service that has a directory, by its name. */
  readonly services: Readonly<Record<string, ServiceFacts>>;
  /** Whether the supervisor of the services runs. */
  readonly supervised: boolean;
  /** Text of what hooks write, by absolute path; a file that is absent has no entry. */
  readonly files: Readonly<Record<string, string>>;
  /** Mode and owner of the directories that a unit needs, by path; an absent one has no entry. */
  readonly directories: Readonly<Record<string, { mode: number; uid: number }>>;
  readonly layout: Layout;
  readonly program: ProgramFacts;
  readonly agent: Observed<AgentWorld>;
}

export interface EventFacts {
  /** `config-changed`, `database-relation-broken`, an action's name, … */
  readonly name: string;
  /** The relation that is being broken, if this event breaks one. */
  readonly endingRelation: number | undefined;
  /** The remote unit that leaves, or this one, in a relation-departed. */
  readonly departingUnit: string | undefined;
  /** Storage instance that is being taken away (`data/0`). */
  readonly detachingStorage: string | undefined;
  /** A revision of an owned secret that nobody reads any more. */
  readonly obsoleteSecret: { readonly id: string; readonly revision: number } | undefined;
  /** True in `stop` and `remove`. */
  readonly stopping: boolean;
}

export interface UnitFacts {
  /** `postgresql/0` */
  readonly name: string;
  readonly number: number;
  /** `postgresql-0`: the name in Patroni and etcd. */
  readonly member: string;
  readonly isLeader: boolean;
  /** Bind address for the peers; undefined while the network is not known. */
  readonly address: string | undefined;
  /** Availability zone of its machine; left out: the controller knows none. */
  readonly zone?: string;
  /** Bind address for clients. */
  readonly clientAddress: string | undefined;
  /** Where this unit's own connections come from, CIDR. */
  readonly egress: readonly string[];
  /** goal-state says that this unit is being removed. */
  readonly dying: boolean;
}

export interface MachineFacts {
  readonly cpus: number;
  /** What the machine or its cgroup gives, in bytes. */
  readonly memoryBytes: number;
  readonly root: boolean;
  /** Who runs the charm. */
  readonly userName: string;
  /** Whom the servers run as; undefined: as the user that runs the charm. */
  readonly serverUser: { name: string; uid: number; gid: number } | undefined;
  readonly packages: Packages;
  readonly capabilities: Capabilities;
}

export interface NamedThings {
  readonly 'time-zone': readonly string[];
  readonly locale: readonly string[];
  /** Libraries that PostgreSQL can load, by their names without directory and ending. */
  readonly library: readonly string[];
  /** Extensions that CREATE EXTENSION finds. */
  readonly extension: readonly string[];
  /** Packages of enabled plugins that are not installed, with what apt says of each. */
  readonly archive: Readonly<Record<string, 'installed' | 'there' | 'absent' | 'unknown'>>;
}

export interface Packages {
  /** Names of Debian packages that are missing. */
  readonly missing: readonly string[];
  readonly postgres: { major: number; version: string; binDir: string } | undefined;
  /** Versions by program: `patroni`, `etcd`, `pgbouncer`, `pgbackrest`. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface PeerFacts {
  readonly relationId: number | undefined;
  readonly app: Databag;
  /** `app` as this event found it: what an event writes is lost when its hook fails. */
  readonly keptApp: Databag;
  readonly own: Databag;
  /** The other units that have entered the relation, ascending by number. */
  readonly others: readonly PeerUnit[];
  /** Every unit of the application by goal-state, this one included, that is not leaving. */
  readonly planned: readonly string[];
  /** Those that are leaving by goal-state and not gone yet. */
  readonly leaving: readonly string[];
}

export interface PeerUnit {
  readonly name: string;
  readonly data: Databag;
  /** True when goal-state says it is being removed, or does not know it any more. */
  readonly dying: boolean;
}

export interface OwnedSecret {
  /** Undefined where this unit reads the secret without owning it. */
  readonly id: string | undefined;
  readonly content: Readonly<Record<string, string>>;
}

export interface Relation {
  readonly endpoint: string;
  readonly id: number;
  /** The remote application; '' when it is not known any more. */
  readonly app: string;
  /** This event is the relation's end. */
  readonly ending: boolean;
  /** Empty on a unit that is not the leader: only the leader may read it. */
  readonly localApp: Databag;
  readonly localUnit: Databag;
  readonly remoteApp: Databag;
  readonly units: readonly { readonly name: string; readonly data: Databag }[];
}

export interface DataFacts {
  /** Data of before a restore lie beside their place (`main.before-<id>`); left out: none do. */
  readonly beforeRestore?: boolean;
  /** Where PostgreSQL puts temporary files within the data; left out: there are no data. */
  readonly temporary?: TemporaryFacts;
  /** `<data>/<major>/main` exists and holds a control file. */
  readonly systemIdentifier: string | undefined;
  /** The directory holds something, but no control file. */
  readonly debris: boolean;
  /** etcd's directory of this unit exists and holds a member. */
  readonly etcdMember: boolean;
}

export interface TemporaryFacts {
  readonly path: string;
  /** Where a link leads that is there. */
  readonly link: string | undefined;
  /** It is a directory of its own and holds files. */
  readonly busy: boolean;
}

export interface CertificateFacts {
  /** IP addresses that it is valid for. */
  readonly addresses: readonly string[];
  /** The CA of the application secret has issued it. */
  readonly trusted: boolean;
}

/** The charm's own programs. */
export interface ProgramFacts {
  /** Revision of the agent that the charm carries. */
  readonly agentRevision: string;
  /** Revisions of the agent that have a copy in the unit. */
  readonly agentCopies: readonly string[];
  /** Node that services run on. */
  readonly node: string;
  /** argv of what wakes the charm from outside a hook. */
  readonly wake: readonly string[];
  /** Rules and dashboards that the charm carries; absent while nobody is told of them. */
  readonly monitoring?: MonitoringFiles;
}

/** `monitoring.json` of the charm, made by the build from src/charm/monitoring. */
export interface MonitoringFiles {
  readonly groups: readonly RuleGroup[];
  readonly logGroups: readonly RuleGroup[];
  /** Each in the encoding of cos_agent. */
  readonly dashboards: readonly string[];
}

export interface ServiceFacts {
  readonly running: boolean;
  readonly wantedUp: boolean;
  /** It was last started for one run only. */
  readonly once: boolean;
  /** What it was defined to run. */
  readonly spec: ServiceSpec | undefined;
  /** Digest of the configuration that the running process has read, as far as hooks know. */
  readonly loaded: string | undefined;
  /** Client URLs of etcd that it was started with, or is about to be. */
  readonly startedWith: readonly string[];
  /** Those that it has heard of meanwhile, as hooks have noted. */
  readonly noted: readonly string[];
  /** Those that it must have heard of if etcd was in its reach, and no hook has noted yet. */
  readonly learnt: readonly string[];
}

/** What a service runs; the same shape as lib/machine takes. */
export interface ServiceSpec {
  readonly command: readonly string[];
  /** Left out: whoever runs the supervisor. */
  readonly user?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Left out: `/`. */
  readonly directory?: string;
  /** The service waits until this file exists. */
  readonly requires?: string;
  /** A file that it reads; `read` beside its pid is what lay there when it was started. */
  readonly reads?: string;
  /** What an earlier run of it may have left at work on this path is killed before the start. */
  readonly orphans?: { readonly programs: readonly string[]; readonly path: string };
  /** What of its output is `***` in the log: an extended regular expression. */
  readonly conceal?: string;
}

/** The unit behind a member name: `postgresql-0` -> `postgresql/0`. */
export function unitOfMember(member: string): string {
  const dash = member.lastIndexOf('-');
  return `${member.slice(0, dash)}/${member.slice(dash + 1)}`;
}

/** The member name of a unit: `postgresql/0` -> `postgresql-0`. */
export function memberOfUnit(unit: string): string {
  return unit.replace('/', '-');
}

/** What the agent says of one subject, or why that is not known. */
export function probe<K extends 'etcd' | 'cluster' | 'database' | 'local' | 'pooler' | 'backup'>(
  world: Pick<Snapshot, 'agent'>,
  subject: K,
): AgentWorld[K] {
  return world.agent.known ? world.agent.value[subject] : world.agent;
}

/** The member that is primary, or undefined when there is none or it is not known. */
export function primaryOf(
  world: Pick<Snapshot, 'agent'>,
): { member: string; address: string } | undefined {
  const cluster = probe(world, 'cluster');
  if (!cluster.known) return undefined;
  const primary = cluster.value.members.find((member) => member.role === 'primary');
  return primary && { member: primary.name, address: primary.address };
}

/** Every unit that has published an address, this one included, ascending by number. */
export function addresses(world: Snapshot): PublishedAddress[] {
  const own = { name: world.unit.name, ip: world.unit.address, zone: world.unit.zone };
  const others = world.peers.others.map(({ name, data }) => ({
    name,
    ip: data['ip'],
    zone: data[ZONE],
  }));
  return [own, ...others]
    .filter((each): each is typeof each & { ip: string } => each.ip !== undefined && each.ip !== '')
    .map(({ name, ip, zone }) => ({
      unit: name,
      member: memberOfUnit(name),
      address: ip,
      ...(zone === undefined || zone === '' ? {} : { zone }),
    }))
    .toSorted((a, b) => numberOf(a.unit) - numberOf(b.unit));
}

/** Key of a unit's databag. */
export const ZONE = 'availability-zone';

export interface PublishedAddress {
  unit: string;
  member: string;
  address: string;
  zone?: string;
}

function numberOf(unit: string): number {
  return Number(unit.slice(unit.lastIndexOf('/') + 1));
}

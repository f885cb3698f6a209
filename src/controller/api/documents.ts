/**
 * The JSON documents that the controller shows, field by field as Juju's CLI prints them.
 *
 * Optional fields are left out, never null: clients such as jubilant test for their presence.
 */

export interface StatusInfo {
  current?: string;
  message?: string;
  reason?: string;
  since?: string;
  version?: string;
  life?: string;
}

export interface NetworkInterface {
  'ip-addresses': string[];
  'mac-address': string;
  'is-up': boolean;
  space?: string;
}

export interface MachineStatus {
  'juju-status': StatusInfo;
  hostname: string;
  'dns-name': string;
  'ip-addresses': string[];
  'instance-id': string;
  'machine-status': StatusInfo;
  'modification-status': StatusInfo;
  base: { name: string; channel: string };
  'network-interfaces': Record<string, NetworkInterface>;
  hardware: string;
}

export interface UnitStatus {
  'workload-status': StatusInfo;
  'juju-status': StatusInfo;
  leader?: true;
  'upgrading-from'?: string;
  machine: string;
  'open-ports'?: string[];
  'public-address': string;
  subordinates?: Record<string, UnitStatus>;
}

export interface RelatedApplication {
  'related-application': string;
  interface: string;
  scope: string;
}

export interface ApplicationStatus {
  charm: string;
  base: { name: string; channel: string };
  'charm-origin': string;
  'charm-name': string;
  'charm-rev': number;
  'charm-version'?: string;
  exposed: boolean;
  life?: string;
  'application-status': StatusInfo;
  relations?: Record<string, RelatedApplication[]>;
  'subordinate-to'?: string[];
  units?: Record<string, UnitStatus>;
  version?: string;
  'endpoint-bindings'?: Record<string, string>;
}

export interface StorageInstanceStatus {
  kind: string;
  life?: string;
  status: StatusInfo;
  persistent: boolean;
  attachments?: { units: Record<string, { machine: string; location: string; life?: string }> };
}

export interface FilesystemStatus {
  'provider-id': string;
  storage: string;
  attachments?: {
    machines: Record<string, { 'mount-point': string; 'read-only': boolean; life?: string }>;
    units: Record<string, { machine: string; location: string; life?: string }>;
  };
  pool: string;
  size: number;
  life?: string;
  status: StatusInfo;
}

export interface StorageDocument {
  storage?: Record<string, StorageInstanceStatus>;
  filesystems?: Record<string, FilesystemStatus>;
}

export interface StatusDocument {
  model: {
    name: string;
    type: string;
    controller: string;
    cloud: string;
    version: string;
    'model-status': StatusInfo;
  };
  machines: Record<string, MachineStatus>;
  applications: Record<string, ApplicationStatus>;
  storage: StorageDocument;
  controller: { timestamp: string };
}

/** A relation as the text of `status --relations` shows it. */
export interface RelationStatus {
  id: number;
  /** `application:endpoint` */
  provider: string;
  requirer: string;
  interface: string;
  type: 'regular' | 'peer' | 'subordinate';
  /** `joining`, `suspended`, `removing`, or empty when joined. */
  message: string;
}

export interface StatusAnswer {
  /** What `status --format json` prints. */
  document: StatusDocument;
  /** For the text form: the document names endpoints but not their roles. */
  relations: RelationStatus[];
}

export interface ConfigEntry {
  default?: unknown;
  description: string;
  source: 'default' | 'user' | 'unset';
  type: string;
  value?: unknown;
}

export interface ConfigDocument {
  application: string;
  'application-config': Record<string, ConfigEntry>;
  charm: string;
  settings: Record<string, ConfigEntry>;
}

export type ModelConfigDocument = Record<
  string,
  { Value: string | number | boolean; Source: string }
>;

export interface ModelDocument {
  name: string;
  'short-name': string;
  'model-uuid': string;
  'model-type': string;
  'controller-uuid': string;
  'controller-name': string;
  'is-controller': boolean;
  cloud: string;
  region: string;
  type: string;
  life: string;
  status: { current: string; since: string };
  users: Record<string, { 'display-name': string; access: string; 'last-connection': string }>;
  machines: Record<string, { cores: number }>;
  'agent-version': string;
}

export interface OperationView {
  id: string;
  summary: string;
  status: string;
  enqueued: number;
  tasks: { id: string; unit: string; action: string; status: string }[];
}

export interface SecretDetails {
  revision: number;
  expires?: string;
  rotation?: string;
  rotates?: string;
  owner: string;
  description?: string;
  name?: string;
  label?: string;
  created: string;
  updated: string;
  checksum?: string;
  content?: { Data: Record<string, string> };
  revisions?: { revision: number; created: string; updated: string; expires?: string }[];
  access?: { target: string; scope: string; role: string }[];
}

export type SecretsDocument = Record<string, SecretDetails>;

export interface RelationInfo {
  'relation-id': number;
  endpoint: string;
  'cross-model': boolean;
  'related-endpoint': string;
  'application-data': Record<string, string>;
  'local-unit'?: { 'in-scope': boolean; data: Record<string, string> };
  'related-units'?: Record<string, { 'in-scope': boolean; data: Record<string, string> }>;
}

export interface UnitDetails {
  'workload-version'?: string;
  machine: string;
  'opened-ports': string[];
  'public-address': string;
  charm: string;
  leader: boolean;
  life: string;
  'relation-info'?: RelationInfo[];
}

export interface ApplicationDetails {
  charm: string;
  base: string;
  channel?: string;
  constraints?: Record<string, string>;
  principal: boolean;
  exposed: boolean;
  remote: boolean;
  life: string;
  'endpoint-bindings': Record<string, string>;
}

export interface LogLine {
  id: number;
  /** Milliseconds since the epoch. */
  at: number;
  entity: string;
  level: string;
  module: string;
  message: string;
}

export interface StatusLogLine {
  /** Milliseconds since the epoch. */
  at: number;
  /** `workload`, `juju-unit` or `application`. */
  kind: string;
  status: string;
  message: string;
}

/** A process; its number and its start together name one for as long as the host is up. */
export interface MachineProcess {
  pid: number;
  parent: number;
  /** Clock ticks after boot. */
  started: string;
  command: string;
  cwd: string;
}

/**
 * The controller's HTTP API on `D/controller.sock`, as the CLI sees it. JSON in and out.
 *
 * POST /v1/<verb> with the verb's arguments. An error answers 4xx/5xx with an ApiError. A verb that
 * reads may be asked to wait: with `etag` (of the last answer) and `waitMs` (at most 30,000) it
 * answers when its answer differs from that one, or when the time is over.
 */
import type {
  ApplicationDetails,
  ConfigDocument,
  LogLine,
  MachineProcess,
  ModelConfigDocument,
  ModelDocument,
  OperationView,
  SecretsDocument,
  StatusAnswer,
  StatusLogLine,
  StorageDocument,
  UnitDetails,
} from './api/documents.ts';

/**
 * What says how the two sides talk, below src/controller. The build puts copies into a release, so
 * that a command of a newer clone and the controller that runs can tell that they differ.
 */
export type ApiSources = readonly ['api.ts', 'api/documents.ts'];

/** Header of every answer: the digest of those sources, as the controller was built from them. */
export type ApiHeader = 'x-pgcharm-api';

/** Body of every refused request; the text is as Juju writes it, without `ERROR `. */
export interface ApiError {
  error: string;
  code: string;
  hint?: string;
}

/** Lines of progress that a mutation wants on stderr, in order, as Juju prints them. */
export interface Told {
  told: string[];
}

export interface TaskView {
  id: string;
  operation: string;
  unit: string;
  action: string;
  status: string;
  message: string;
  results: Record<string, unknown>;
  log: { at: number; message: string }[];
  enqueued: number;
  started: number | null;
  completed: number | null;
}

/** An answer to `run` and `exec`: tasks that were enqueued, and units where none could be. */
export interface Enqueued {
  operation: string;
  tasks: { id: string; unit: string }[];
  failures: string[];
}

/** Fields that every request may carry beside its own. */
export interface Common {
  /** `name`, `user/name`, `controller:name` or `controller:user/name`; absent: the only model. */
  model?: string | undefined;
  etag?: string | undefined;
  waitMs?: number | undefined;
}

export interface DeployRequest {
  /** Absolute path of a .charm, of a bundle's YAML, or of a directory with a bundle.yaml. */
  path: string;
  /** The path as the operator wrote it, for error texts. */
  shown: string;
  application?: string | undefined;
  numUnits?: number | undefined;
  config?: Record<string, string> | undefined;
  /** Text of a YAML file: `{<application>: {<option>: value}}`, or the options alone. */
  configYaml?: string | undefined;
  storage?: Record<string, string> | undefined;
  attachStorage?: string[] | undefined;
  base?: string | undefined;
  trust?: boolean | undefined;
  constraints?: Record<string, string> | undefined;
  to?: string[] | undefined;
  /** Kind of new machines; default: the kind that the model has, else loopback. */
  machine?: 'loopback' | 'netns' | undefined;
}

export interface SecretTarget {
  /** Name, `secret:<id>` or the bare id. */
  secret: string;
}

/** Verb -> what it takes and what it answers. */
export interface Verbs {
  version: { request: object; answer: { version: string; controller: string } };
  status: { request: { patterns?: string[]; utc?: boolean }; answer: StatusAnswer };
  model: { request: object; answer: ModelDocument };
  deploy: { request: DeployRequest; answer: Told };
  'add-unit': {
    request: {
      application: string;
      numUnits?: number;
      attachStorage?: string[];
      to?: string[];
      machine?: 'loopback' | 'netns' | undefined;
    };
    answer: Told;
  };
  'remove-unit': {
    request: { units: string[]; destroyStorage?: boolean; force?: boolean; dryRun?: boolean };
    answer: Told;
  };
  'remove-application': {
    request: {
      applications: string[];
      destroyStorage?: boolean;
      force?: boolean;
      dryRun?: boolean;
    };
    answer: Told;
  };
  'attach-storage': { request: { unit: string; storages: string[] }; answer: Told };
  integrate: { request: { first: string; second: string }; answer: Told };
  'remove-relation': { request: { endpoints: string[]; force?: boolean }; answer: Told };
  config: { request: { application: string }; answer: ConfigDocument };
  'set-config': {
    request: {
      application: string;
      set?: Record<string, string>;
      reset?: string[];
      yaml?: string;
    };
    answer: Told;
  };
  'model-config': { request: object; answer: ModelConfigDocument };
  'set-model-config': {
    request: { set?: Record<string, string>; reset?: string[] };
    answer: Told;
  };
  run: {
    request: { units: string[]; action: string; params?: Record<string, unknown> };
    answer: Enqueued;
  };
  exec: {
    request: {
      units?: string[];
      applications?: string[];
      machines?: string[];
      all?: boolean;
      command: string;
    };
    answer: Enqueued;
  };
  actions: { request: { application: string }; answer: Record<string, unknown> };
  'show-task': { request: { id: string }; answer: TaskView };
  'cancel-task': { request: { ids: string[] }; answer: TaskView[] };
  operations: { request: { limit?: number }; answer: OperationView[] };
  'show-operation': { request: { id: string }; answer: OperationView };
  resolved: { request: { units: string[]; all?: boolean; retry?: boolean }; answer: Told };
  refresh: {
    request: {
      application: string;
      path: string;
      shown: string;
      config?: Record<string, string>;
      storage?: Record<string, string>;
      trust?: boolean;
      force?: boolean;
    };
    answer: Told;
  };
  trust: { request: { application: string; remove?: boolean }; answer: Told };
  expose: { request: { application: string; remove?: boolean }; answer: Told };
  secrets: { request: { owner?: string }; answer: SecretsDocument };
  'show-secret': {
    request: SecretTarget & { reveal?: boolean; revision?: number; revisions?: boolean };
    answer: SecretsDocument;
  };
  'add-secret': {
    request: { name: string; info?: string; content: Record<string, string> };
    answer: { uri: string };
  };
  'update-secret': {
    request: SecretTarget & {
      name?: string;
      info?: string;
      content?: Record<string, string>;
    };
    answer: Told;
  };
  'remove-secret': { request: SecretTarget & { revision?: number }; answer: Told };
  'grant-secret': {
    request: SecretTarget & { applications: string[]; revoke?: boolean };
    answer: Told;
  };
  'show-unit': { request: { units: string[] }; answer: Record<string, UnitDetails> };
  'show-application': {
    request: { applications: string[] };
    answer: Record<string, ApplicationDetails>;
  };
  storage: { request: object; answer: StorageDocument };
  log: {
    request: {
      after?: number;
      limit?: number;
      level?: string;
      include?: string[];
      exclude?: string[];
      replay?: boolean;
    };
    answer: LogLine[];
  };
  'status-log': { request: { entity: string; limit?: number }; answer: StatusLogLine[] };
  power: { request: { target: string; on: boolean }; answer: Told };
  /** Links of netns machines that carry nothing from now on; default: from all, both ways. */
  cut: {
    request: { target: string; from?: string[]; direction?: 'both' | 'in' | 'out' };
    answer: Told;
  };
  /** Another address for a machine; default: a free one of its range. */
  'change-address': {
    request: { target: string; address?: string | undefined };
    answer: Told;
  };
  /** Default: every machine. */
  mend: { request: { targets?: string[] }; answer: Told };
  /** Of a machine, a unit's machine, or the `controller`. */
  processes: { request: { target: string }; answer: MachineProcess[] };
  place: {
    request: { target: string };
    /** `entrance`: words to put before a program that is to run there, as the controller's user. */
    answer: { unit: string; directory: string; entrance: readonly string[] };
  };
}

export type Verb = keyof Verbs;

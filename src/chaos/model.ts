/**
 * What a campaign needs of a model: verbs that every operator has, and the processes of machines.
 * Knows no transport: the command line implements it over the controller's API.
 */
export interface UnitView {
  readonly name: string;
  readonly machine: string;
  readonly address: string;
  readonly leader: boolean;
  /** Active, with nothing left to run. */
  readonly settled: boolean;
  /** Its status and message, for people. */
  readonly says: string;
  /** Directories of its storage on this host, by the storage's name. */
  readonly storage: Readonly<Record<string, string>>;
}

/** A process; its number and its start together name one for as long as the host is up. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks after boot. */
  readonly started: string;
  readonly command: string;
  readonly cwd: string;
}

export interface Related {
  readonly application: string;
  readonly interface: string;
  readonly units: readonly string[];
}

export interface Cut {
  /** Units; none for every machine and the host. */
  readonly from: readonly string[];
  /** `in`: it hears nothing of them; `out`: they hear nothing of it. */
  readonly direction: 'both' | 'in' | 'out';
}

export interface Model {
  /** @throws OperatorError `not-found` when there is no such application */
  units(application: string): Promise<UnitView[]>;
  related(application: string): Promise<Related[]>;
  /** Names of an application's actions. */
  actions(application: string): Promise<string[]>;
  /** Runs an action and waits for it. @throws OperatorError when it fails */
  act(unit: string, action: string): Promise<Record<string, unknown>>;
  /** What a command in the unit's own environment prints; `ok` is whether it ended with 0. */
  shell(unit: string, command: string): Promise<{ ok: boolean; output: string }>;
  /** Where the unit's files are. */
  directory(unit: string): Promise<string>;
  /** Of a unit's machine, or of the `controller`. */
  processes(target: string): Promise<Process[]>;
  power(unit: string, on: boolean): Promise<void>;
  /** @throws OperatorError `machine-has-no-link` where machines share the host's network */
  cut(unit: string, from: Cut): Promise<void>;
  /** Undoes every cut of the unit's machine. */
  mend(unit: string): Promise<void>;
}

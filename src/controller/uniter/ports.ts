/** What a unit's agent is given: the store, the host, the engine. Tests give their own. */
import type { Log } from '../../../lib/std/log.ts';
import type { Machine } from '../machines/machine.ts';
import type { EnvironmentFacts } from '../runner/environment.ts';
import type { MachineLocks } from '../runner/machine-locks.ts';
import type { Ended, Program } from '../runner/process.ts';
import type { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';
import type { ToolResult } from '../tools/session.ts';

export interface AgentPorts {
  readonly store: Store;
  readonly layout: Layout;
  readonly locks: MachineLocks;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Runs a program; see runner/process.ts. */
  runProgram(program: Program): Promise<Ended>;
  environment(unit: string): EnvironmentFacts;
  machine(kind: string): Machine;
  /** Words to put before a program of the unit so that it runs on the unit's machine. */
  entrance(unit: string, directory: string): Promise<readonly string[]>;
  /** A command of juju-exec for a unit, from a process on the machine of `from`. */
  exec(from: string, unit: string, command: string): Promise<ToolResult>;
  /** Code 0 only when the machine of the unit is certainly without power. */
  isPoweredOff(unit: string): ToolResult;
  /** A hook asked for a restart of its machine. */
  reboot(machineId: string): Promise<void>;
}

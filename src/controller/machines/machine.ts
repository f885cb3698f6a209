/**
 * What the engine needs of a machine, whatever its kind: a power switch for everything that runs on
 * it. The address of a loopback machine is there without set-up and without privileges; networks.ts
 * makes the one of a netns machine.
 */
import { endProcesses, processesOf } from './processes.ts';

export interface Machine {
  /** Ends every process below its units' directories at once, as a loss of power does. */
  end(dirs: readonly string[]): Promise<void>;
  /** Whether anything still runs that `end` would end. */
  runs(dirs: readonly string[]): boolean;
}

/** Both kinds are processes of this host. */
const local: Machine = { end: endProcesses, runs: (dirs) => processesOf(dirs).length > 0 };

const KINDS: Readonly<Record<string, Machine>> = { loopback: local, netns: local };

export function machineOf(kind: string): Machine {
  const machine = KINDS[kind];
  if (machine === undefined) throw new Error(`no machine of kind ${kind} is known`);
  return machine;
}

/**
 * What the engine needs of a machine, whatever its kind: an address that exists, and a power switch
 * for everything that runs on it.
 */
import { endProcesses, processesOf } from './processes.ts';

export interface Machine {
  /** Ends every process below its units' directories at once, as a loss of power does. */
  end(dirs: readonly string[]): Promise<void>;
  /** Whether anything still runs that `end` would end. */
  runs(dirs: readonly string[]): boolean;
}

/** An address of 127.0.0.0/8 on this host, which needs no set-up and no privileges. */
const loopback: Machine = { end: endProcesses, runs: (dirs) => processesOf(dirs).length > 0 };

const KINDS: Readonly<Record<string, Machine>> = { loopback };

export function machineOf(kind: string): Machine {
  const machine = KINDS[kind];
  if (machine === undefined) throw new Error(`no machine of kind ${kind} is known`);
  return machine;
}

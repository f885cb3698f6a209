/**
 * What the engine needs of a machine, whatever its kind: an address that exists, and a power switch
 * for everything that runs on it.
 */
import { endProcesses } from './processes.ts';

export interface Machine {
  /** Ends every process below its units' directories at once, as a loss of power does. */
  end(dirs: readonly string[]): Promise<void>;
}

/** An address of 127.0.0.0/8 on this host, which needs no set-up and no privileges. */
const loopback: Machine = { end: endProcesses };

const KINDS: Readonly<Record<string, Machine>> = { loopback };

export function machineOf(kind: string): Machine {
  const machine = KINDS[kind];
  if (machine === undefined) throw new Error(`no machine of kind ${kind} is known`);
  return machine;
}

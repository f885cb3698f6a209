/**
 * What the engine needs of a machine, whatever its kind: an address that exists, and a power switch
 * for everything that runs on it.
 */
import { endProcesses, processesOf } from './processes.ts';

export interface Machine {
  readonly kind: string;
  /** Processes that belong to the machine, given its units' directories. */
  processes(dirs: readonly string[]): number[];
  /** Ends every one of them at once, as a loss of power does. Databases get no time. */
  end(dirs: readonly string[]): Promise<void>;
}

/** An address of 127.0.0.0/8 on this host, which needs no set-up and no privileges. */
export const loopback: Machine = {
  kind: 'loopback',
  processes: processesOf,
  end: endProcesses,
};

/**
 * Says when an option holds what it cannot hold. The finding names the option, the value and what
 * is allowed; as long as it stands, whoever renders configuration keeps what is in force.
 */
import { readOptions } from '../model/option-rules.ts';
import type { Limits } from '../model/option-values.ts';
import type { Options, ParsedOptions } from '../model/options.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider } from '../model/steps.ts';

export const options: Decider = (world) => {
  const parsed = read(world);
  if (parsed.ok) return [];
  const { option, value, allowed } = parsed;
  return [blocked('option-invalid', `option ${option}: ${shown(value)} is not ${allowed}`)];
};

/** The options in force, or undefined while a value is refused and nothing may be applied. */
export function validOptions(world: Snapshot): Options | undefined {
  const parsed = read(world);
  return parsed.ok ? parsed.options : undefined;
}

function read(world: Snapshot): ParsedOptions {
  return readOptions(world.config, limitsOf(world));
}

function limitsOf({ machine, named }: Snapshot): Limits {
  return {
    memoryBytes: machine.memoryBytes,
    cpus: machine.cpus,
    postgres: machine.packages.postgres?.major,
    has: (what, name) => named[what].includes(name),
  };
}

/** A status is one line that people read: what they typed, but no more of it than helps. */
function shown(value: string): string {
  const line = JSON.stringify(value).slice(1, -1);
  return line.length > 60 ? `"${line.slice(0, 57)}..."` : `"${line}"`;
}

/**
 * Says when an option holds what it cannot hold. The finding names the option, the value and what
 * is allowed; as long as it stands, whoever renders configuration keeps what is in force.
 */
import type { Options } from '../model/options.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider } from '../model/steps.ts';

export const options: Decider = (world) => {
  if (world.options.ok) return [];
  const { option, value, allowed } = world.options;
  return [blocked('option-invalid', `option ${option}: ${shown(value)} is not ${allowed}`)];
};

/** The options in force, or undefined while a value is refused and nothing may be applied. */
export function validOptions(world: Snapshot): Options | undefined {
  return world.options.ok ? world.options.options : undefined;
}

/** A status is one line that people read: what they typed, but no more of it than helps. */
function shown(value: string): string {
  const line = JSON.stringify(value).slice(1, -1);
  return line.length > 60 ? `"${line.slice(0, 57)}..."` : `"${line}"`;
}

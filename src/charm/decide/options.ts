/**
 * Says when an option holds what it cannot hold. The finding names the option, the value and what
 * is allowed; as long as it stands, whoever renders configuration keeps what is in force.
 */
import { someLeads } from '../model/member-tags.ts';
import type { Options } from '../model/options.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision } from '../model/steps.ts';

export const options: Decider = (world) => {
  if (world.options.ok) return taggedUnits(world, world.options.options);
  const { option, value, allowed } = world.options;
  return [blocked('option-invalid', `option ${option}: ${shown(value)} is not ${allowed}`)];
};

/** A unit that is not there yet may come; one of another application never does. */
function taggedUnits({ app, peers }: Snapshot, { memberTags }: Options): Decision[] {
  const tagged = Object.keys(memberTags);
  if (tagged.length === 0) return [];
  const foreign = tagged.find((unit) => !unit.startsWith(`${app}/`));
  if (foreign !== undefined) {
    const problem = `${shown(foreign)} is not a unit of ${app}`;
    return [blocked('option-invalid', `option member-tags: ${problem}`)];
  }
  if (peers.planned.length === 0 || someLeads(memberTags, peers.planned)) return [];
  const problem = 'nofailover is ignored, as every unit has it and one must lead';
  return [blocked('option-invalid', `option member-tags: ${problem}`)];
}

/** The options in force, or undefined while a value is refused and nothing may be applied. */
export function validOptions(world: Snapshot): Options | undefined {
  return world.options.ok ? world.options.options : undefined;
}

/** A status is one line that people read: what they typed, but no more of it than helps. */
function shown(value: string): string {
  const line = JSON.stringify(value).slice(1, -1);
  return line.length > 60 ? `"${line.slice(0, 57)}..."` : `"${line}"`;
}

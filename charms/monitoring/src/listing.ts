/** An action that shows what one of the programs knows now, for people and for programs. */
import { type Action, accept, type Planned, refuse } from '../../../lib/charm/action.ts';
import { type Listed, type ServiceName, type Steps, urlOf, type World } from './world.ts';

export interface Listing<Name extends 'targets' | 'alerts'> {
  name: Name;
  /** Who knows, and shows the same to people. */
  service: ServiceName;
  line(entry: EntryOf<Name>): string;
  /** Results beside those that every list has. */
  facts?(entries: readonly EntryOf<Name>[]): Record<string, string>;
}

type EntryOf<Name extends 'targets' | 'alerts'> =
  World[Name] extends Listed<infer Entry> ? Entry : never;

export function listing<Name extends 'targets' | 'alerts'>({
  name,
  service,
  line,
  facts = () => ({}),
}: Listing<Name>): Action<World, Steps, Record<string, never>> {
  return {
    name,
    parse: () => ({}),
    plan(world): Planned<Steps> {
      const found = world[name] as Listed<EntryOf<Name>>;
      if ('unknown' in found) return refuse(`${name}-unknown`, found.unknown);
      return accept<Steps>([], {
        total: String(found.length),
        ...facts(found),
        [name]: found.map(line).join('\n'),
        json: JSON.stringify(found),
        url: urlOf(service, world.address ?? ''),
      });
    },
  };
}

/**
 * What this unit holds of what was acknowledged, when etcd is lost and with it the word on who may
 * lead: by its role when the cluster was last seen. Pure; what it cannot know it says.
 */
import { knownIdentifier } from './etcd-facts.ts';
import { memberOfUnit, type Snapshot, unitOfMember } from './snapshot.ts';

export interface Survival {
  /** What going on here would lose; `unknown` where nobody remembers. */
  loss: 'nothing' | 'perhaps' | 'unknown' | 'everything';
  /** Half a sentence about this unit. */
  text: string;
}

export function survival(world: Snapshot): Survival {
  const identifier = knownIdentifier(world);
  if (identifier === undefined || world.data.systemIdentifier !== identifier) {
    return { loss: 'everything', text: 'it holds no copy of the database' };
  }
  const before = world.agent.known ? world.agent.value.lastCluster : undefined;
  const self = before?.members.find(({ name }) => name === memberOfUnit(world.unit.name));
  if (before === undefined || self === undefined) {
    return { loss: 'unknown', text: 'it does not know what it lacks: its agent has started since' };
  }
  if (self.role === 'primary') return { loss: 'nothing', text: 'it was the primary' };
  const isSynchronous = before.dynamic['synchronous_mode'] === true;
  if (isSynchronous && self.role === 'sync-standby') {
    return { loss: 'nothing', text: 'it had confirmed every acknowledged commit' };
  }
  const better = before.members
    .filter(({ role }) => role === 'primary' || (isSynchronous && role === 'sync-standby'))
    .map(({ name }) => unitOfMember(name));
  const where = better.length === 0 ? '' : `, which ${better.join(', ')} had`;
  return { loss: 'perhaps', text: `it may lack the last acknowledged commits${where}` };
}

/** `run postgresql/0 get-primary`: which unit is the primary. Asks the cluster, changes nothing. */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { primaryOf, probe, type Snapshot, unitOfMember } from '../model/snapshot.ts';
import type { Steps } from '../model/steps.ts';

export const getPrimary: Action<Snapshot, Steps, undefined> = {
  name: 'get-primary',
  parse: () => undefined,
  plan(world) {
    const primary = primaryOf(world);
    if (primary !== undefined) return accept([], { primary: unitOfMember(primary.member) });
    const cluster = probe(world, 'cluster');
    const reason = cluster.known ? 'the cluster has none at the moment' : cluster.reason;
    return refuse('no-primary', `cannot name the primary: ${reason}`);
  },
};

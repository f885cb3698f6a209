/** `run postgresql/leader rotate-internal-ca`: another CA for etcd, Patroni and the agents. */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { ROTATION_FIELDS } from '../model/internal-ca.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';

export const rotateInternalCa: Action<Snapshot, Steps, undefined> = {
  name: 'rotate-internal-ca',
  parse: () => undefined,
  plan(world) {
    const { name, isLeader } = world.unit;
    if (!isLeader)
      return refuse('not-leader', `cannot change the CA on ${name}: run it on the leader`);
    const content = world.appSecret?.content ?? {};
    if (content['internal-ca'] === undefined || !probe(world, 'cluster').known) {
      return refuse('no-cluster', 'cannot change the CA: the cluster cannot be asked');
    }
    if (content[ROTATION_FIELDS.previous] !== undefined) {
      const reason = 'a change is under way; see the status of the leader';
      return refuse('ca-changing', `cannot change the CA: ${reason}`);
    }
    return accept([step('rotate-internal-ca', {}, 'an operator wants another internal CA')], {
      rotation: 'started',
    });
  },
};

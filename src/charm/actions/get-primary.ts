/**
 * `run postgresql/0 get-primary`: which unit is the primary, and for how long nobody could write if
 * it were lost, by the clocks in force. Asks the cluster, changes nothing.
 */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { clocksIn, describeFailover, describeFence } from '../model/failover.ts';
import { primaryOf, probe, type Snapshot, unitOfMember } from '../model/snapshot.ts';
import type { Steps } from '../model/steps.ts';

export const getPrimary: Action<Snapshot, Steps, undefined> = {
  name: 'get-primary',
  parse: () => undefined,
  plan(world) {
    const primary = primaryOf(world);
    const cluster = probe(world, 'cluster');
    if (primary !== undefined) {
      const clocks = cluster.known ? clocksIn(cluster.value.dynamic) : undefined;
      const failover = clocks === undefined ? {} : describeFailover(clocks);
      const command = world.options.ok ? world.options.options.fenceCommand : undefined;
      const fence =
        cluster.known && command !== undefined
          ? { 'fence-command': describeFence(cluster.value.dynamic) }
          : {};
      return accept([], { primary: unitOfMember(primary.member), ...failover, ...fence });
    }
    const reason = cluster.known ? 'the cluster has none at the moment' : cluster.reason;
    return refuse('no-primary', `cannot name the primary: ${reason}`);
  },
};

/**
 * How a unit leaves: it hands over while it still can, then stops, and at the very end its files
 * go. What lies on its storages stays. The others never wait for it.
 */
import { peerUrl } from '../model/etcd-facts.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import {
  type Decider,
  type Decision,
  maintenance,
  type ServiceName,
  step,
} from '../model/steps.ts';

/** Long enough for a switchover, and for the leader's hooks to move a voter. */
const HAND_OVER_MS = 90_000;

/** While this holds no other decider may start or change anything. */
export function isLeaving({ unit, event, storages }: Snapshot): boolean {
  const detaching = event.detachingStorage?.split('/')[0];
  const losesData =
    (detaching === 'data' || detaching === 'logs') && Object.keys(storages).length > 0;
  return unit.dying || event.stopping || losesData;
}

/** Wraps a decider that has nothing to do on a unit that leaves. */
export function whileStaying(decider: Decider): Decider {
  return (world) => (isLeaving(world) ? [] : decider(world));
}

export const departure: Decider = (world) => {
  if (!isLeaving(world)) return [];
  if (world.event.name === 'remove') {
    return [step('remove-workload', {}, 'the unit is removed')];
  }
  const why = 'the unit leaves';
  const alive = (name: ServiceName): boolean => {
    const service = world.services[name];
    return service !== undefined && (service.running || service.wantedUp);
  };
  const stop = (name: ServiceName): Decision[] =>
    alive(name) ? [step('stop-service', { name }, why)] : [];
  return [
    ...(alive('patroni') && !isLast(world)
      ? [step('leave-cluster', { timeoutMs: HAND_OVER_MS }, why)]
      : []),
    ...stop('pgbackrest'),
    ...stop('pgbouncer'),
    ...stop('patroni'),
    ...(mayStopEtcd(world) ? stop('etcd') : []),
    ...(world.event.stopping ? stop('agent') : []),
    maintenance('leaving', 'leaving the cluster'),
  ];
};

function isLast({ peers }: Snapshot): boolean {
  return peers.planned.length === 0;
}

/** A voter that the others count on goes last, when nothing can wait any more. */
function mayStopEtcd(world: Snapshot): boolean {
  if (world.event.stopping || isLast(world)) return true;
  const etcd = probe(world, 'etcd');
  const { address } = world.unit;
  if (!etcd.known || address === undefined) return false;
  return !etcd.value.members.some((member) => member.peerUrl === peerUrl(address));
}

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
/** Patroni has stopped; all that is left is a voter that no leader has removed yet. */
const LAST_CHANCE_MS = 30_000;

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
  const leaving = maintenance('leaving', 'leaving the cluster');
  const why = 'the unit leaves';
  const timeoutMs = handOverTime(world);
  if (timeoutMs !== undefined && !world.supervised) {
    // After a restart of its machine nobody could be handed anything, and the only copy of etcd or
    // of the last rows may be here.
    return [step('start-supervisor', {}, 'it hands over before it leaves'), leaving];
  }
  const stop = (name: ServiceName): Decision[] =>
    alive(world, name) ? [step('stop-service', { name }, why)] : [];
  return [
    ...(timeoutMs === undefined ? [] : [step('leave-cluster', { timeoutMs }, why)]),
    ...stop('pgbackrest'),
    ...stop('pgbouncer'),
    ...stop('patroni'),
    ...(mayStopEtcd(world) ? stop('etcd') : []),
    ...(world.event.stopping ? stop('agent') : []),
    leaving,
  ];
};

/** How long this event may wait for the others to take over; undefined: there is nothing to. */
function handOverTime(world: Snapshot): number | undefined {
  if (isLast(world) || !alive(world, 'agent')) return undefined;
  if (alive(world, 'patroni')) return HAND_OVER_MS;
  // The event of a relation that ends is not the last: until then the leader's own events come.
  return world.event.stopping && isVoter(world) ? LAST_CHANCE_MS : undefined;
}

function alive(world: Snapshot, name: ServiceName): boolean {
  const service = world.services[name];
  return service !== undefined && (service.running || service.wantedUp);
}

function isLast({ peers }: Snapshot): boolean {
  return peers.planned.length === 0;
}

/** A voter that the others count on goes last, when nothing can wait any more. */
function mayStopEtcd(world: Snapshot): boolean {
  return world.event.stopping || isLast(world) || !isVoter(world);
}

/** Also while that is not known. */
function isVoter(world: Snapshot): boolean {
  if (!alive(world, 'etcd')) return false;
  const etcd = probe(world, 'etcd');
  const { address } = world.unit;
  if (!etcd.known || address === undefined) return true;
  return etcd.value.members.some((member) => member.peerUrl === peerUrl(address));
}

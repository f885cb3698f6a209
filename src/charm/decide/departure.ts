/**
 * How a unit leaves: it hands over while it still can, then stops, and at the very end its files
 * go. What lies on its storages stays. The others never wait for it.
 */
import { IDENTITY, peerUrl, systemIdentifier } from '../model/etcd-facts.ts';
import { memberOfUnit, probe, type Snapshot } from '../model/snapshot.ts';
import {
  type Decider,
  type Decision,
  maintenance,
  type ServiceName,
  step,
} from '../model/steps.ts';

/**
 * Long enough for a switchover, and for the leader's hooks to move a voter. A clone that depends on
 * this unit may take longer: see agent/decide/leaving.ts.
 */
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
  const heirs = heirsOf(world);
  const leaving = maintenance('leaving', farewell(heirs));
  const why = 'the unit leaves';
  const timeoutMs = handOverTime(world);
  const hasFounded = isFoundingCutShort(world);
  if ((timeoutMs !== undefined || hasFounded) && !world.supervised) {
    // After a restart of its machine nobody could be handed anything, and the only copy of etcd or
    // of the last rows may be here.
    return [step('start-supervisor', {}, 'it hands over before it leaves'), leaving];
  }
  if (hasFounded && heirs.length > 0) {
    return [step('start-service', { name: 'patroni' }, 'only here are data to clone'), leaving];
  }
  const stop = (name: ServiceName): Decision[] =>
    alive(world, name) ? [step('stop-service', { name }, why)] : [];
  return [
    ...(timeoutMs === undefined ? [] : [handOver(world, timeoutMs, heirs)]),
    ...stop('pgbackrest'),
    ...stop('pgbouncer'),
    ...stop('patroni'),
    ...(mayStopEtcd(world) ? stop('etcd') : []),
    ...(world.event.stopping ? stop('agent') : []),
    leaving,
  ];
};

/** Nobody clones from a PostgreSQL that has stopped. */
function handOver(world: Snapshot, timeoutMs: number, heirs: string[]): Decision {
  const served = alive(world, 'patroni') ? heirs : [];
  return step('leave-cluster', { timeoutMs, heirs: served }, 'the unit leaves');
}

/** How long this event may wait for the others to take over; undefined: there is nothing to. */
function handOverTime(world: Snapshot): number | undefined {
  if (isLast(world) || !alive(world, 'agent')) return undefined;
  if (alive(world, 'patroni')) return HAND_OVER_MS;
  // The event of a relation that ends is not the last: until then the leader's own events come.
  if (!world.event.stopping || !isVoter(world)) return undefined;
  return isDecisive(world) ? HAND_OVER_MS : LAST_CHANCE_MS;
}

/** Members of the units that stay, when none of them has the data that lie here. */
function heirsOf(world: Snapshot): string[] {
  const { data, peers, unit } = world;
  const cluster = probe(world, 'cluster');
  const members = cluster.known ? cluster.value.members : [];
  const ours = systemIdentifier(world) ?? (cluster.known ? cluster.value.initialized : undefined);
  if (ours === undefined || data.systemIdentifier !== ours) return [];
  const staying = peers.planned.filter((name) => name !== unit.name);
  const bags = new Map(peers.others.map(({ name, data: bag }) => [name, bag]));
  const hasCopy = (name: string) => {
    const member = members.find((each) => each.name === memberOfUnit(name));
    if (member !== undefined) return ['running', 'streaming'].includes(member.state);
    // It is down, and has said before what it holds.
    return bags.get(name)?.[IDENTITY] === ours;
  };
  return staying.some(hasCopy) ? [] : staying.map(memberOfUnit);
}

function farewell(heirs: readonly string[]): string {
  if (heirs.length === 0) return 'leaving the cluster';
  return 'leaving the cluster with the only copy of the data, which is left on the storage';
}

/**
 * The single run in which Patroni made the database was ended by a loss of power before a hook
 * could make a service of it: nothing would start it again.
 */
function isFoundingCutShort(world: Snapshot): boolean {
  const patroni = world.services['patroni'];
  if (isLast(world) || patroni === undefined || alive(world, 'patroni')) return false;
  return patroni.once && world.data.systemIdentifier !== undefined && alive(world, 'agent');
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

/** Without it, and while it still counts, etcd would have no majority: the others stand still. */
function isDecisive(world: Snapshot): boolean {
  const etcd = probe(world, 'etcd');
  const { address } = world.unit;
  if (!etcd.known || address === undefined) return true;
  const voting = etcd.value.members.filter(({ learner }) => !learner);
  const others = voting.filter((each) => each.healthy && each.peerUrl !== peerUrl(address));
  return others.length <= voting.length / 2;
}

/**
 * Which units hold etcd's voters, and the one next change on the way there. Leader only.
 *
 * Their number is always odd: 1 for one or two units, 3 for three or four, 5 from five; with one,
 * it stands beside the primary. Two units and a witness have 3. A change is made only while every
 * voter answers, except to remove one that is lost for good; whoever joins is a learner until it
 * has caught up.
 */
import {
  clientOf,
  etcdFacts,
  etcdMembers,
  peerUrl,
  publishedFacts,
  systemIdentifier,
} from '../model/etcd-facts.ts';
import {
  addresses,
  memberOfUnit,
  primaryOf,
  probe,
  type Snapshot,
  unitOfMember,
} from '../model/snapshot.ts';
import { type Decider, type Decision, step } from '../model/steps.ts';
import { witnesses } from '../model/witness.ts';
import type { EtcdMember } from '../model/world.ts';

/** A voter that has not answered for this long is given up when another unit can take its place. */
const LOST_AFTER_MS = 60_000;

/** A unit that can hold a voter. */
export interface Candidate {
  member: string;
  peerUrl: string;
  /** Its agent answers; a witness, which has none, has said that it is prepared. */
  ready: boolean;
}

/** Where voters can be. */
export interface Seats {
  units: readonly Candidate[];
  /** Of another application, without data. */
  witnesses: readonly Candidate[];
}

export function voterCount(units: number): 1 | 3 | 5 {
  return units < 3 ? 1 : units < 5 ? 3 : 5;
}

export const voters: Decider = (world) => {
  const members = etcdMembers(world);
  if (!world.unit.isLeader || members === undefined || !hasDatabase(world)) return [];
  const seats = { units: candidates(world), witnesses: witnesses(world) };
  const move = nextMove(members, seats, primaryOf(world)?.member);
  if (move === undefined || (isRemoval(move) && !areReady(world, members, move.args.id))) {
    return [];
  }
  return [move];
};

/** Until it has been made, the one voter beside which it is made stays the only one. */
function hasDatabase(world: Snapshot): boolean {
  const cluster = probe(world, 'cluster');
  const initialized = cluster.known ? cluster.value.initialized : undefined;
  return (systemIdentifier(world) ?? initialized) !== undefined;
}

/** Names of the members that shall hold voters; undefined while that cannot be said. */
export function wantedMembers(world: Snapshot): string[] | undefined {
  const members = etcdMembers(world);
  const primary = primaryOf(world)?.member;
  if (members === undefined) return undefined;
  const voting = members.filter((member) => !member.learner);
  const units = candidates(world);
  const wanted = wantedVoters(voting, { units, witnesses: witnesses(world) }, primary);
  // Of several the one beside the primary is left: not before that is a unit that stays.
  const settled = units.some((unit) => unit.member === primary);
  if (wanted.length === 1 && voting.length > 1 && !settled) return undefined;
  return wanted.map(({ member }) => member);
}

function isRemoval(move: Decision): move is Extract<Decision, { kind: 'remove-voter' }> {
  return move.type === 'step' && move.kind === 'remove-voter';
}

/**
 * Every unit's Patroni that can be reached has been started with a voter that stays. Patroni learns
 * of new voters only slowly, and without etcd a primary stops. And that it stays has been published
 * by an earlier event: what this one writes may be lost, and then nobody would find etcd any more.
 */
function areReady(world: Snapshot, members: readonly EtcdMember[], leavingId: string): boolean {
  const staying = members.filter((member) => !member.learner && member.id !== leavingId);
  const kept = publishedFacts(world.peers.keptApp);
  if (kept === undefined || kept.epoch !== etcdFacts(world)?.epoch) return false;
  if (!staying.some(({ peerUrl: url }) => kept.endpoints.includes(clientOf(url)))) return false;
  const bags = new Map(world.peers.others.map(({ name, data }) => [name, data]));
  const answering = world.agent.known ? world.agent.value.peers : {};
  const primary = primaryOf(world)?.member;
  // Also a primary that leaves: cut off from etcd it could hand its role to nobody.
  const units = [...world.peers.planned, ...(primary === undefined ? [] : [unitOfMember(primary)])];
  return units.every((unit) => {
    const bag = unit === world.unit.name ? world.peers.own : bags.get(unit);
    const reachable = unit === world.unit.name || answering[unit]?.known === true;
    const hosts = (bag?.['etcd-hosts'] ?? '').split(',').filter((url) => url !== '');
    if (!reachable || hosts.length === 0) return true;
    return staying.some(({ peerUrl: url }) => hosts.includes(clientOf(url)));
  });
}

/** Units that stay and have an address, ascending by number. */
export function candidates(world: Snapshot): Candidate[] {
  const answering = world.agent.known ? world.agent.value.peers : {};
  const staying = new Set(world.peers.planned.map(memberOfUnit));
  return addresses(world)
    .filter(({ member }) => staying.has(member))
    .map(({ unit, member, address }) => ({
      member,
      peerUrl: peerUrl(address),
      ready: unit === world.unit.name || answering[unit]?.known === true,
    }));
}

/** @param primary member name of the primary, where it is known */
export function nextMove(
  members: readonly EtcdMember[],
  seats: Seats,
  primary: string | undefined,
): Decision | undefined {
  const voting = members.filter((member) => !member.learner);
  const wanted = wantedVoters(voting, seats, primary);
  if (wanted.length === 0) return undefined;
  const isWanted = ({ peerUrl: url }: EtcdMember) => wanted.some((unit) => unit.peerUrl === url);

  const silent = voting.filter((member) => !member.healthy);
  const lost = silent.find((member) => !isWanted(member));
  if (lost !== undefined && canLose(voting, lost, silent)) {
    return remove(lost, 'it is lost, and another unit takes its place');
  }
  if (silent.length > 0) return undefined;
  // Where one is to be left it stands beside the primary: not before it is known who that is.
  if (wanted.length === 1 && primary === undefined) return undefined;
  const learner = members.find((member) => member.learner);
  if (learner !== undefined) return settle(learner, isWanted(learner));
  return exchange(voting, seats, wanted, primary);
}

/**
 * All voters answer: units that leave go first, as soon as one that stays is left to take over;
 * then who is missing comes, then who is too many goes. The primary's voter goes last of all, for
 * its Patroni may know no other: a primary that leaves hands its role over before.
 */
function exchange(
  voting: readonly EtcdMember[],
  { units, witnesses: others }: Seats,
  wanted: readonly Candidate[],
  primary: string | undefined,
): Decision | undefined {
  const at =
    ({ peerUrl: url }: EtcdMember) =>
    (unit: Candidate) =>
      unit.peerUrl === url;
  const staying = voting.filter((member) => [...units, ...others].some(at(member)));
  const leaving = voting.filter((member) => !staying.includes(member) && member.name !== primary);
  const goes = leaving.at(-1);
  if (goes !== undefined && staying.length > 0) return remove(goes, 'its unit leaves');
  const missing = wanted.find((unit) => !voting.some((member) => member.peerUrl === unit.peerUrl));
  if (missing !== undefined) {
    const { member, peerUrl: url } = missing;
    return step('add-learner', { member, peerUrl: url }, 'it shall hold a voter');
  }
  if (wanted.length === 1 && !units.some((unit) => unit.member === primary)) return undefined;
  const last = staying.filter((member) => !wanted.some(at(member))).at(-1);
  return last && remove(last, 'there are more voters than units need');
}

function settle(learner: EtcdMember, isWanted: boolean): Decision | undefined {
  if (!isWanted) return remove(learner, 'its unit shall not hold a voter any more');
  // It has been added to a unit that does not start it: make room for another.
  if (!learner.healthy && learner.silentMs > LOST_AFTER_MS) {
    return remove(learner, 'it has not started');
  }
  if (!learner.inSync) return undefined;
  const args = { member: memberNameOf(learner), id: learner.id };
  return step('promote-learner', args, 'it has caught up');
}

/** Without it the voters that answer must still be a majority of all. */
function canLose(
  voting: readonly EtcdMember[],
  lost: EtcdMember,
  silent: readonly EtcdMember[],
): boolean {
  const answering = voting.length - silent.length;
  return answering > voting.length / 2 && !lost.healthy;
}

/**
 * The units that shall hold voters: as many as the units that are ready allow, and rather those
 * that hold one already, for every move costs a change of members. A witness makes two units three.
 */
function wantedVoters(
  voting: readonly EtcdMember[],
  { units, witnesses: others }: Seats,
  primary: string | undefined,
): Candidate[] {
  const memberAt = (unit: Candidate) => voting.find((member) => member.peerUrl === unit.peerUrl);
  const usable = units.filter((unit) => memberAt(unit) !== undefined || unit.ready);
  const count = voterCount(usable.length);
  const rank = (unit: Candidate): number => {
    const member = memberAt(unit);
    if (unit.member === primary && (count === 1 || member !== undefined)) return 0;
    if (member === undefined) return unit.ready ? 2 : 4;
    // A voter that is only away for a moment keeps its place.
    return member.healthy || member.silentMs <= LOST_AFTER_MS ? 1 : 3;
  };
  const ranked = usable.toSorted((a, b) => rank(a) - rank(b));
  const third = usable.length === 2 ? thirdVoter(voting, others) : undefined;
  if (third === undefined) return ranked.slice(0, count);
  const votes = (unit: Candidate) => memberAt(unit) !== undefined;
  // It comes first: one that does not come up leaves everything as it was without it.
  return [...ranked.filter(votes), third, ...ranked.filter((unit) => !votes(unit))];
}

/** A witness that votes and is not lost, or one that is prepared to. */
function thirdVoter(
  voting: readonly EtcdMember[],
  others: readonly Candidate[],
): Candidate | undefined {
  const memberAt = (each: Candidate) => voting.find((member) => member.peerUrl === each.peerUrl);
  const votes = others.find((each) => {
    const member = memberAt(each);
    return member !== undefined && (member.healthy || member.silentMs <= LOST_AFTER_MS);
  });
  return votes ?? others.find((each) => each.ready && memberAt(each) === undefined);
}

function remove(member: EtcdMember, why: string): Decision {
  return step('remove-voter', { member: memberNameOf(member), id: member.id }, why);
}

/** A member that has never started has no name yet. */
function memberNameOf({ name, peerUrl: url }: EtcdMember): string {
  return name === '' ? url : name;
}

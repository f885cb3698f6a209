/**
 * Which etcd cluster is the application's, as the databags say.
 *
 * The leader publishes endpoints and epoch in the application databag. A unit on which an operator
 * formed a new etcd after the old one was lost for good claims the next epoch in its own databag,
 * because it may not be the leader; the highest epoch counts, so that members of an earlier one
 * that come back know that they are the past.
 */
import { clientUrl, inUrl, peerUrl } from '../../../lib/relations/etcd-member.ts';
import { type Databag, probe, type Snapshot } from './snapshot.ts';
import type { EtcdMember } from './world.ts';

export { clientUrl, inUrl, peerUrl };

export interface EtcdFacts {
  epoch: number;
  /** Client URLs. */
  endpoints: string[];
}

/** Undefined: no unit has formed an etcd yet. */
export function etcdFacts(world: Snapshot): EtcdFacts | undefined {
  const claims = [
    claimOf(world.unit.address, world.peers.own),
    ...world.peers.others.map(({ data }) => claimOf(data['ip'], data)),
  ];
  return [publishedFacts(world.peers.app), ...claims]
    .filter((facts) => facts !== undefined)
    .toSorted((a, b) => b.epoch - a.epoch)
    .at(0);
}

/** What the application databag says. @param bag `peers.app`, or `keptApp`: what cannot be lost */
export function publishedFacts(bag: Databag): EtcdFacts | undefined {
  const text = bag['etcd-endpoints'];
  if (text === undefined || text === '') return undefined;
  return { epoch: Number(bag['etcd-epoch'] ?? '1'), endpoints: text.split(',') };
}

/**
 * What says where etcd is to be founded outlives this event. Founded earlier, an etcd and a
 * database with passwords that nobody kept would lie beside those that the next event makes.
 */
export function isPublished(world: Snapshot): boolean {
  const { app, keptApp } = world.peers;
  return ['etcd-endpoints', 'etcd-epoch'].every((key) => app[key] === keptApp[key]);
}

/**
 * Members of the etcd in force as the agent sees them; undefined while they are not known, or while
 * the agent still looks at an etcd that another has replaced.
 */
export function etcdMembers(world: Snapshot): EtcdMember[] | undefined {
  const view = probe(world, 'etcd');
  const endpoints = etcdFacts(world)?.endpoints ?? [];
  if (!view.known) return undefined;
  const { members } = view.value;
  const isInForce = ({ peerUrl: url }: EtcdMember) => endpoints.includes(clientOf(url));
  return members.some(isInForce) ? members : undefined;
}

/** An election, or the answer of a busy voter, takes no longer. */
const ELECTION_MS = 15_000;

/**
 * More than half of the voters answer, or did a moment ago. A voter that is left alone still says
 * who the members are (etcd 3.4 answers from its own memory): that they are known says nothing.
 */
export function hasMajority(world: Snapshot): boolean {
  const view = probe(world, 'etcd');
  if (!view.known) return false;
  const voting = view.value.members.filter((member) => !member.learner);
  const answering = voting.filter(({ healthy, silentMs }) => healthy || silentMs < ELECTION_MS);
  return answering.length > voting.length / 2;
}

/** Client URL of the member with this peer URL. */
export function clientOf(peer: string): string {
  return peer.replace(/:2380$/, ':2379');
}

/** Field of the application's secret, and key of its databag. */
export const IDENTITY = 'system-identifier';

/** PostgreSQL's system identifier, once the first primary has been made; never changes again. */
export function systemIdentifier(world: Snapshot): string | undefined {
  return world.peers.app[IDENTITY] || world.appSecret?.content[IDENTITY] || undefined;
}

/** The same, or that of the unit's own data: the leader may be gone before it could publish it. */
export function knownIdentifier(world: Snapshot): string | undefined {
  return systemIdentifier(world) ?? world.data.systemIdentifier;
}

function claimOf(address: string | undefined, bag: Readonly<Record<string, string>>) {
  const epoch = Number(bag['etcd-reformed']);
  if (address === undefined || !(epoch > 1)) return undefined;
  return { epoch, endpoints: [clientUrl(address)] };
}

/**
 * Watches etcd's members: who there is, who answers, which learner has caught up, and how long a
 * silent one has been silent. Changes nothing.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { type EtcdMember, known, unknown } from '../../charm/model/world.ts';
import type { EtcdPeer, EtcdPort, EtcdStatus } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { Steady } from './steady.ts';

const CALM_MS = 5000;
const QUICK_MS = 1000;
const STATUS_TIMEOUT_MS = 2000;
/** etcd promotes a learner whose match index is at least 90 % of the leader's (server.go). */
const IN_SYNC_RATIO = 0.9;

export function watchEtcd(facts: Facts, clients: Clients, log: Log): Loop {
  /** When each member answered last; for one that never did, when it was seen first. */
  const answeredAt = new Map<string, number>();
  const steady = new Steady();
  /** Where members were last seen: more than the endpoints of a unit whose hooks do not run. */
  let urls: string[] = [];

  const observe = async () => {
    const { peers, statuses } = await membersNow(clients.etcd(), urls);
    urls = peers.flatMap(({ clientUrl }) => clientUrl ?? []);
    const leaderId = statuses.find((status) => status?.leaderId !== undefined)?.leaderId;
    const leader = statuses.find((status) => status?.id === leaderId);
    const now = Date.now();
    for (const id of answeredAt.keys()) {
      if (!peers.some((peer) => peer.id === id)) answeredAt.delete(id);
    }
    const members = peers.map((peer, n): EtcdMember => {
      const status = statuses[n];
      const healthy = status?.leaderId !== undefined;
      if (healthy || !answeredAt.has(peer.id)) answeredAt.set(peer.id, now);
      return {
        id: peer.id,
        name: peer.name,
        peerUrl: peer.peerUrl,
        learner: peer.learner,
        healthy,
        silentMs: healthy ? 0 : now - (answeredAt.get(peer.id) ?? now),
        inSync: healthy && (!peer.learner || caughtUp(status, leader)),
      };
    });
    return known({ members, leader: peers.find((peer) => peer.id === leaderId)?.name });
  };
  return new Loop({
    name: 'watch of etcd',
    log,
    everyMs: () => (settled(facts) ? CALM_MS : QUICK_MS),
    async run() {
      const seen = await observe().catch((error: unknown) => unknown(messageOf(error)));
      facts.set('etcd', steady.settle(facts.now.etcd, seen));
    },
  });
}

type Asked = Pick<EtcdPort, 'members' | 'status'>;

interface Members {
  peers: EtcdPeer[];
  /** What each of them says of itself, in the order of `peers`; undefined: it does not answer. */
  statuses: (EtcdStatus | undefined)[];
}

/**
 * A member that has been removed may never learn of it: it goes on naming the members it knew, and
 * only that it has no leader gives it away. Then one that has a leader is asked instead.
 */
export async function membersNow(etcd: Asked, urls: readonly string[] = []): Promise<Members> {
  const first = await withStatuses(etcd, await anyList(etcd, urls));
  if (first.statuses.every((status) => status?.leaderId !== undefined)) return first;
  const led = first.peers.find((_, n) => first.statuses[n]?.leaderId !== undefined);
  if (led?.clientUrl === undefined) return first;
  const peers = await etcd.members(led.clientUrl).catch(() => first.peers);
  const same =
    peers.length === first.peers.length && peers.every(({ id }, n) => id === first.peers[n]?.id);
  return same ? first : withStatuses(etcd, peers);
}

async function anyList(etcd: Asked, urls: readonly string[]): Promise<EtcdPeer[]> {
  try {
    return await etcd.members();
  } catch (error) {
    for (const url of urls) {
      const list = await etcd.members(url).catch(() => undefined);
      if (list !== undefined) return list;
    }
    throw error;
  }
}

async function withStatuses(etcd: Asked, peers: EtcdPeer[]): Promise<Members> {
  return { peers, statuses: await Promise.all(peers.map((peer) => statusOf(etcd, peer))) };
}

async function statusOf(etcd: Asked, peer: EtcdPeer): Promise<EtcdStatus | undefined> {
  if (peer.clientUrl === undefined) return undefined;
  try {
    return await etcd.status(peer.clientUrl, STATUS_TIMEOUT_MS);
  } catch {
    return undefined;
  }
}

function caughtUp(learner: EtcdStatus, leader: EtcdStatus | undefined): boolean {
  return leader !== undefined && learner.appliedIndex >= leader.raftIndex * IN_SYNC_RATIO;
}

function settled({ now }: Facts): boolean {
  if (!now.etcd.known) return false;
  return now.etcd.value.members.every((member) => member.healthy && !member.learner);
}

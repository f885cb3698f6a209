/**
 * The unit's own etcd: found a cluster, join one as a learner, run, or be gone. Which units hold
 * voters is for `voters.ts`; this file follows what etcd's list of members says.
 *
 * An etcd is founded only where none was ever founded before, and its directory is removed only
 * when the cluster itself says that this unit is no member, or when a later epoch has replaced it.
 */
import { type EtcdPlan, etcdConfig, etcdOnDisk } from '../model/etcd-config.ts';
import {
  clientUrl,
  type EtcdFacts,
  etcdFacts,
  etcdMembers,
  IDENTITY,
  isPublished,
  knownIdentifier,
  peerUrl,
  publishedFacts,
  systemIdentifier,
} from '../model/etcd-facts.ts';
import { addresses, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step } from '../model/steps.ts';
import type { EtcdMember } from '../model/world.ts';
import { fileStep } from './file.ts';
import { hasCertificate } from './identity.ts';
import { wantedMembers } from './voters.ts';

/** The leader says where etcd is: first as an intention, then as the members say. */
export const etcdEndpoints: Decider = (world) => {
  if (!world.unit.isLeader || world.peers.relationId === undefined) return [];
  const published = publishedFacts(world.peers.app);
  const facts = etcdFacts(world);
  const own = world.unit.address;
  if (facts === undefined && systemIdentifier(world) !== undefined) return recovered(world);
  if (facts === undefined || isOrphaned(world, facts)) {
    // Published before it runs, and by an event that ends well before: whoever leads next finds the
    // intention instead of founding another.
    if (own === undefined || world.appSecret === undefined) return [];
    const data = {
      'etcd-endpoints': clientUrl(own),
      'etcd-epoch': String((facts?.epoch ?? 0) + 1),
    };
    return [step('peer-set', { scope: 'app', data }, 'no etcd has been founded')];
  }
  const endpoints = (votingUrls(world) ?? facts.endpoints).join(',');
  if (published?.epoch === facts.epoch && published.endpoints.join(',') === endpoints) return [];
  const data = { 'etcd-endpoints': endpoints, 'etcd-epoch': String(facts.epoch) };
  return [step('peer-set', { scope: 'app', data }, 'the voters have changed')];
};

/**
 * The databag has lost where etcd is, and there is a database: founding another would make a second
 * primary. What units know of its voters says where to ask.
 */
function recovered(world: Snapshot): Decision[] {
  const own = world.unit.address;
  const bags = [world.peers.own, ...world.peers.others.map(({ data }) => data)];
  const heard = bags.flatMap((bag) => (bag['etcd-hosts'] ?? '').split(','));
  const here = own !== undefined && world.data.etcdMember ? [clientUrl(own)] : [];
  const urls = [...new Set([...here, ...heard])].filter((url) => url !== '');
  if (urls.length === 0) {
    return [
      blocked(
        'etcd-lost',
        'nobody knows where etcd is; run promote-to-primary scope=unit force=true on the best unit',
      ),
    ];
  }
  const epoch = Math.max(...bags.map((bag) => Number(bag['etcd-reformed'] ?? 1)));
  const data = {
    'etcd-endpoints': urls.join(','),
    'etcd-epoch': String(Math.max(epoch, etcdOnDisk(world)?.epoch ?? 1)),
  };
  return [step('peer-set', { scope: 'app', data }, 'units know where it is, the databag does not')];
}

/**
 * The only voters were on units that are gone, and no cluster was ever made on them. A new leader
 * may not have met every unit yet: one that it has not met may hold the voter, also if it leaves.
 */
function isOrphaned(world: Snapshot, facts: EtcdFacts): boolean {
  if (knownIdentifier(world) !== undefined) return false;
  const { planned, leaving, own, others } = world.peers;
  if ([own, ...others.map(({ data }) => data)].some((bag) => bag[IDENTITY])) return false;
  const met = addresses(world);
  if (![...planned, ...leaving].every((unit) => met.some((each) => each.unit === unit)))
    return false;
  const present = met.map(({ address }) => clientUrl(address));
  return !facts.endpoints.some((url) => present.includes(url));
}

/**
 * Client URLs of the started voters that shall stay, by unit: who reads them must be ready for the
 * others to go. Undefined while the members are not known.
 */
function votingUrls(world: Snapshot): string[] | undefined {
  const members = etcdMembers(world);
  if (members === undefined) return undefined;
  const started = addresses(world).filter(({ address }) =>
    members.some(
      (member) => member.peerUrl === peerUrl(address) && !member.learner && member.name !== '',
    ),
  );
  const wanted = wantedMembers(world);
  if (wanted === undefined) return undefined;
  const staying = started.filter(({ member }) => wanted.includes(member));
  const urls = (staying.length === 0 ? started : staying).map(({ address }) => clientUrl(address));
  return urls.length === 0 ? undefined : urls;
}

export const etcd: Decider = (world) => {
  const facts = etcdFacts(world);
  const own = world.unit.address;
  if (facts === undefined || own === undefined || !hasCertificate(world)) return [];
  const disk = etcdOnDisk(world);
  if (disk !== undefined && disk.epoch < facts.epoch)
    return leave(world, 'a later etcd is in force');
  const members = etcdMembers(world);
  const self = members?.find((member) => member.peerUrl === peerUrl(own));
  if (self === undefined) {
    if (members !== undefined && !isFounder(facts, own)) {
      return leave(world, 'the members no longer include this unit');
    }
    return found(world, facts, own);
  }
  if (self.name === '') return join(world, { members: members ?? [], self, facts, own });
  return run(world);
};

/** Founds the cluster, or goes on running what was founded or joined here. */
function found(world: Snapshot, facts: EtcdFacts, own: string): Decision[] {
  if (world.data.etcdMember) return run(world);
  if (!isFounder(facts, own)) return [];
  if (systemIdentifier(world) !== undefined) {
    return [
      blocked(
        'etcd-lost',
        'the data of etcd is lost; run promote-to-primary scope=unit force=true on the best unit',
      ),
    ];
  }
  if (!isPublished(world)) return [];
  const initialCluster = `${world.unit.member}=${peerUrl(own)}`;
  return start(world, own, { state: 'new', epoch: facts.epoch, initialCluster, memberId: '' });
}

function join(
  world: Snapshot,
  at: { members: EtcdMember[]; self: EtcdMember; facts: EtcdFacts; own: string },
): Decision[] {
  const { members, self, facts, own } = at;
  const stale = world.data.etcdMember && etcdOnDisk(world)?.memberId !== self.id;
  if (stale) return leave(world, 'its data are of an earlier membership');
  const started = members.filter((member) => member.name !== '');
  const initialCluster = [
    ...started.map((member) => `${member.name}=${member.peerUrl}`),
    `${world.unit.member}=${peerUrl(own)}`,
  ].join(',');
  if (world.data.etcdMember) return run(world);
  return start(world, own, {
    state: 'existing',
    epoch: facts.epoch,
    initialCluster,
    memberId: self.id,
  });
}

function start(world: Snapshot, own: string, plan: EtcdPlan): Decision[] {
  const text = etcdConfig(world, own, plan);
  const why = plan.state === 'new' ? 'it founds the cluster' : 'it joins as a learner';
  return [
    ...fileStep(world, { path: world.layout.etcdConfig, text, owner: 'servers' }, why),
    ...run(world),
  ];
}

function run(world: Snapshot): Decision[] {
  const service = world.services['etcd'];
  if (service === undefined || service.wantedUp) return [];
  return [step('start-service', { name: 'etcd' }, 'this unit holds a member of etcd')];
}

function leave(world: Snapshot, why: string): Decision[] {
  const { running = false, wantedUp = false } = world.services['etcd'] ?? {};
  if (running || wantedUp) return [step('stop-service', { name: 'etcd' }, why)];
  return world.data.etcdMember || etcdOnDisk(world) ? [step('remove-etcd-data', {}, why)] : [];
}

/** The endpoints name this unit alone: it is the one that founds. */
function isFounder(facts: EtcdFacts, own: string): boolean {
  return facts.endpoints.length === 1 && facts.endpoints[0] === clientUrl(own);
}

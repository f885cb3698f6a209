/**
 * What a unit's agent sees of the simulated cluster, and the snapshot that a hook decides by. The
 * agent asks whom its desired.json names, so it may ask the wrong ones; and it may be late.
 */
import { NO_CERTIFICATES } from '../../src/charm/model/certificates.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import { clientOf } from '../../src/charm/model/etcd-facts.ts';
import type { Snapshot } from '../../src/charm/model/snapshot.ts';
import { witnessSecret } from '../../src/charm/model/witness.ts';
import {
  type AgentWorld,
  type ClusterMember,
  type ClusterView,
  type EtcdView,
  known,
  type Observed,
  unknown,
} from '../../src/charm/model/world.ts';
import { MACHINE, NAMED, optionsOf } from '../support/machine.ts';
import type { SimEtcd } from './cluster-etcd.ts';
import { type Bag, type SimUnit, STORAGES } from './cluster-unit.ts';
import { RELATION_ID } from './cluster-witness.ts';
import type { ClusterWorld } from './cluster-world.ts';

/** Nothing is left to install. */
const SURROUNDINGS = {
  grantedSecrets: {},
  openedPorts: ['5432/tcp', '6432/tcp'],
  storages: STORAGES,
};
const PROGRAM = { agentRevision: 'r1', agentCopies: ['r1'], node: '/usr/bin/node' };
const SECRET = witnessSecret(RELATION_ID);
const MODEL = { name: 'test', uuid: '00000000-0000-4000-8000-000000000000' };

/** What a hook has written and the controller does not know yet. */
export interface Pending {
  app: Record<string, string | undefined>;
  own: Record<string, string | undefined>;
  appSecret: Bag | undefined;
  certified: string[] | undefined;
  /** Of the relation with a witness: its databag, and its secret. */
  offer: Record<string, string | undefined>;
  witnessSecret: Bag | undefined;
}

/** The agent looks at everything now. */
export function look(world: ClusterWorld, unit: SimUnit): void {
  const text = unit.files[unit.layout.desired];
  if (!unit.runs('agent') || text === undefined) {
    unit.view = undefined;
    return;
  }
  const desired = JSON.parse(text) as Desired;
  unit.generation = desired.generation;
  const etcd = etcdView(world, unit, desired);
  const peers = desired.members
    .filter(({ member }) => member !== unit.member)
    .map(({ unit: name }) => {
      const answers = world.unit(name)?.runs('agent') === true;
      return [name, answers ? known({ generation: 1 }) : unknown('silent')] as const;
    });
  const view: AgentWorld = {
    generation: unit.generation,
    revision: 'r1',
    etcd,
    cluster: clusterView(world, unit, desired),
    database: unknown('not asked'),
    local: unknown('not asked'),
    pooler: unknown('not asked'),
    peers: Object.fromEntries(peers),
    jobs: [],
    work: undefined,
    backup: unknown('not asked'),
  };
  unit.view = { world: view, at: world.now };
}

/** Any voter that runs tells who the members are, also without a majority. */
function etcdView(world: ClusterWorld, unit: SimUnit, { etcd }: Desired): Observed<EtcdView> {
  // Where members were last seen is more than what a unit whose hooks do not run is told.
  const cluster = world.etcdAt(etcd.endpoints) ?? world.etcdAt(unit.seenVoters);
  if (cluster === undefined) return unknown('no voter answers');
  unit.seenVoters = cluster.members.map(({ peerUrl }) => clientOf(peerUrl));
  const hasLeader = world.hasMajority(cluster);
  const members = cluster.members.map((member) => {
    const healthy = hasLeader && world.isAlive(cluster, member);
    const key = member.id;
    if (healthy || !unit.answeredAt.has(key)) unit.answeredAt.set(key, world.now);
    const { id, name, peerUrl, learner } = member;
    const silentMs = healthy ? 0 : world.now - (unit.answeredAt.get(key) ?? world.now);
    const inSync = healthy && (!learner || member.syncedAt <= world.now);
    return { id, name, peerUrl, learner, healthy, silentMs, inSync };
  });
  return known({ members, leader: members.find(({ healthy }) => healthy)?.name });
}

/** The own Patroni answers, or another; while none does, etcd's keys may say that there is none. */
function clusterView(world: ClusterWorld, unit: SimUnit, desired: Desired): Observed<ClusterView> {
  const asked = [unit.name, ...desired.members.map((member) => member.unit)];
  for (const name of asked) {
    const other = world.unit(name);
    const etcd = other?.runs('patroni') ? world.etcdOf(other) : undefined;
    if (etcd !== undefined) return known(clusterOf(world, etcd));
  }
  const etcd = world.etcdAt(desired.etcd.endpoints);
  if (etcd === undefined || !world.hasMajority(etcd)) return unknown('neither Patroni nor etcd');
  if ([...etcd.dcs.members.values()].some((until) => until > world.now)) {
    return unknown('no Patroni answers');
  }
  const empty = { members: [], dynamic: {}, paused: false, failsafe: false };
  return known({ ...initialization(etcd), ...empty });
}

function initialization({ dcs }: SimEtcd): Pick<ClusterView, 'initialized' | 'founding'> {
  return { initialized: dcs.initialize || undefined, founding: dcs.initialize === '' };
}

function clusterOf(world: ClusterWorld, etcd: SimEtcd): ClusterView {
  const { dcs } = etcd;
  const present = world.units.filter(({ member }) => (dcs.members.get(member) ?? 0) > world.now);
  const members = present.map((unit): ClusterMember => {
    const { pg } = unit;
    const leads = dcs.leader?.member === unit.member && dcs.leader.until > world.now;
    const standby = dcs.sync.includes(unit.member) ? 'sync-standby' : 'replica';
    const clones = pg.cloneUntil === undefined ? 'stopped' : 'creating replica';
    const idle = pg.initUntil === undefined ? clones : 'initalizing new cluster';
    return {
      name: unit.member,
      address: unit.address,
      role: leads ? 'primary' : standby,
      state: pg.alive ? 'running' : idle,
      timeline: pg.timeline,
      lagBytes: 0,
      streaming: pg.alive && !leads,
      pendingRestart: false,
      tags: {},
    };
  });
  const dynamic = structuredClone(dcs.dynamic);
  return { ...initialization(etcd), members, dynamic, paused: false, failsafe: true };
}

export function snapshotOf(
  world: ClusterWorld,
  unit: SimUnit,
  at: { event: string; pending: Pending },
): Snapshot {
  const { event, pending } = at;
  const isLeader = world.leader === unit;
  const keptApp = isLeader ? world.app : unit.heardApp;
  const appSecret = pending.appSecret ?? world.appSecret;
  const certified = pending.certified ?? unit.certified;
  const staying = world.units.filter(({ life }) => life === 'alive').map(({ name }) => name);
  const issued = { 'internal-cert': 'certificate', 'internal-key': `secret key of ${unit.name}` };
  return {
    event: eventFacts(event),
    model: MODEL,
    app: 'postgresql',
    unit: {
      name: unit.name,
      number: unit.number,
      member: unit.member,
      isLeader,
      address: unit.address,
      clientAddress: unit.address,
      egress: [`${unit.address}/32`],
      dying: unit.life !== 'alive',
    },
    machine: MACHINE,
    options: optionsOf({ profile: 'testing' }),
    named: NAMED,
    peers: {
      relationId: 0,
      app: merged(keptApp, pending.app),
      keptApp: { ...keptApp },
      own: merged(unit.own, pending.own),
      others: [...unit.heard]
        .map(([name, data]) => ({ name, data, dying: !staying.includes(name) }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      planned: staying,
      leaving: world.units.filter(({ life }) => life === 'dying').map(({ name }) => name),
    },
    appSecret: appSecret && { id: 'secret:1', content: appSecret },
    systemUsers: undefined,
    unitSecret: certified && { id: 'secret:2', content: issued },
    certificate: certified && { addresses: certified, trusted: true },
    certificates: NO_CERTIFICATES,
    ...SURROUNDINGS,
    ...witnessed(world, isLeader, pending),
    data: {
      systemIdentifier: unit.pg.systemIdentifier,
      // A clone that is under way looks the same as one that was cut short.
      debris: unit.pg.debris || (unit.pg.cloneUntil ?? unit.pg.initUntil) !== undefined,
      etcdMember: unit.etcdDirectory,
    },
    services: withHosts(unit, world.now),
    supervised: unit.supervised,
    files: unit.files,
    directories: unit.directories,
    layout: unit.layout,
    program: { ...PROGRAM, wake: ['juju-exec', unit.name, './dispatch'] },
    agent: unit.view === undefined ? unknown('no agent answers') : known(unit.view.world),
  };
}

/** The relation with a witness, as the leader and others see it. */
function witnessed(
  { witness, offer, witnessSecret: kept }: ClusterWorld,
  isLeader: boolean,
  pending: Pending,
): Pick<Snapshot, 'relations' | 'relationSecrets'> {
  const content = isLeader ? (pending.witnessSecret ?? kept) : undefined;
  return {
    relations: witness?.relation(isLeader ? merged(offer, pending.offer) : {}) ?? [],
    relationSecrets: content ? { [SECRET]: { id: 'secret:9', content } } : {},
  };
}

function eventFacts(name: string): Snapshot['event'] {
  return {
    name,
    endingRelation: undefined,
    departingUnit: undefined,
    detachingStorage: undefined,
    obsoleteSecret: undefined,
    stopping: name === 'stop' || name === 'remove',
  };
}

function withHosts(unit: SimUnit, now: number): Snapshot['services'] {
  const { patroni } = unit.services;
  if (patroni === undefined) return unit.services;
  const { configured: startedWith, noted } = unit;
  const hosts = { startedWith, noted, learnt: unit.learnt(now) };
  return { ...unit.services, patroni: { ...patroni, ...hosts } };
}

function merged(bag: Bag, changes: Record<string, string | undefined>): Bag {
  const entries = Object.entries({ ...bag, ...changes });
  return Object.fromEntries(
    entries.filter((each): each is [string, string] => each[1] !== undefined),
  );
}

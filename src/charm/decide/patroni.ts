/**
 * Patroni on this unit: its configuration, and whether it may start. Only one unit of a new
 * application may create the database; every other clones, and data of another cluster are never
 * touched.
 */
import { digestOf } from '../../../lib/std/digest.ts';
import { etcdOnDisk } from '../model/etcd-config.ts';
import {
  clientUrl,
  type EtcdFacts,
  etcdFacts,
  hasMajority,
  IDENTITY,
  systemIdentifier,
} from '../model/etcd-facts.ts';
import { patroniConfig } from '../model/patroni-config.ts';
import { probe, type ServiceFacts, type Snapshot } from '../model/snapshot.ts';
import {
  blocked,
  type Decider,
  type Decision,
  maintenance,
  step,
  waiting,
} from '../model/steps.ts';
import { accessRules, hbaLines, operatorEntries, peerNetworks } from './access.ts';
import { archiver } from './backup.ts';
import { fileStep } from './file.ts';
import { founds, mayFound, mustAskFirst, unfinished, waitsForItself } from './founding.ts';
import { hasCertificate } from './identity.ts';
import { directoryAccess } from './ldap.ts';
import { validOptions } from './options.ts';
import { preloadLibraries } from './plugins.ts';

export const patroni: Decider = (world) => {
  const text = wantedConfig(world);
  const written = world.files[world.layout.patroniConfig];
  const write =
    text === undefined
      ? []
      : fileStep(
          world,
          { path: world.layout.patroniConfig, text, owner: 'servers' },
          written === undefined ? 'there is none yet' : 'what it should say has changed',
        );
  if (text === undefined && written === undefined) return [];
  const service = world.services['patroni'];
  if (service === undefined) return write;
  if (service.running) {
    const inForce = text ?? written ?? '';
    if (isStuckClone(world)) return [...write, giveUpClone];
    if (waitsForItself(world)) return [...write, beginAgain];
    const renewed = [...keep(world, service), ...followEtcd(world, service)];
    const restarts = renewed.some(
      (each) => each.type === 'step' && each.kind === 'restart-service',
    );
    return [...write, ...renewed, ...(restarts ? [] : reload(service.loaded, inForce))];
  }
  return [...write, ...publishHosts(world, service), ...start(world, service.wantedUp)];
};

const beginAgain = step('forget-founding', {}, 'Patroni waits for itself to make the database');
const giveUpClone = step('stop-service', { name: 'patroni' }, 'its clone was cut short');

/**
 * A Patroni that was killed while it cloned finds what is left, and neither goes on nor begins
 * again: it says that it is stopped for as long as nobody helps.
 */
function isStuckClone(world: Snapshot): boolean {
  const cluster = probe(world, 'cluster');
  if (!world.data.debris || !cluster.known || isRestoring(world)) return false;
  if (cluster.value.initialized === undefined) return false;
  const self = cluster.value.members.find(({ name }) => name === world.unit.member);
  return self?.state === 'stopped';
}

/** What was started for a single run has made the database: from now on it is to run. */
function keep(world: Snapshot, { wantedUp }: ServiceFacts): Decision[] {
  const cluster = probe(world, 'cluster');
  const isMade = cluster.known && cluster.value.initialized !== undefined;
  if (wantedUp || !isMade || isRestoring(world)) return [];
  return [step('keep-service', { name: 'patroni' }, 'the database has been made')];
}

/**
 * The leader makes it known which database this application is, in the databag and in the secret;
 * it stays that for good, and what one of them has lost the other gives back.
 */
export const systemIdentity: Decider = (world) => [...ownIdentity(world), ...identity(world)];

/** Each unit says whose data it holds: a leader may be gone before it could. */
function ownIdentity({ data, peers }: Snapshot): Decision[] {
  const identifier = data.systemIdentifier;
  if (identifier === undefined || peers.relationId === undefined) return [];
  if (peers.own[IDENTITY] === identifier) return [];
  const args = { scope: 'unit', data: { [IDENTITY]: identifier } } as const;
  return [step('peer-set', args, 'this unit holds a database')];
}

function identity(world: Snapshot): Decision[] {
  const cluster = probe(world, 'cluster');
  if (!world.unit.isLeader || !cluster.known) return [];
  const identifier = systemIdentifier(world) ?? cluster.value.initialized;
  if (identifier === undefined || world.appSecret === undefined) return [];
  const why = 'the database has been created';
  const data = { [IDENTITY]: identifier };
  return [
    ...(world.peers.app[IDENTITY] === undefined
      ? [step('peer-set', { scope: 'app', data }, why)]
      : []),
    ...(world.appSecret.content[IDENTITY] === undefined
      ? [step('keep-identity', { identifier }, why)]
      : []),
  ];
}

/** Undefined while an option is refused or something that it needs is not known. */
export function wantedConfig(world: Snapshot): string | undefined {
  const options = validOptions(world);
  const facts = etcdFacts(world);
  if (options === undefined || facts === undefined || !hasCertificate(world)) return undefined;
  return patroniConfig(world, {
    options,
    etcdEndpoints: etcdHosts(world, facts),
    clientHba: [
      ...operatorEntries(world),
      ...directoryAccess(world),
      ...hbaLines(accessRules(world)),
    ],
    peerNetworks: peerNetworks(world),
    founds: mayFound(world),
    archiveCommand: archiver(world),
    preload: preloadLibraries(world, options),
  });
}

/**
 * The voters, and this unit's own address, where one may come to be: a Patroni that finds none of
 * the voters that it has heard of begins again with this list (dcs/etcd.py, _load_machines_cache).
 * Not where the rest of an etcd lies that another has replaced: that one must not be found.
 */
function etcdHosts(world: Snapshot, { epoch, endpoints }: EtcdFacts): readonly string[] {
  const own = world.unit.address;
  const disk = etcdOnDisk(world);
  const isPast = disk === undefined ? world.data.etcdMember : disk.epoch !== epoch;
  return own === undefined || isPast ? endpoints : [...new Set([...endpoints, clientUrl(own)])];
}

/**
 * Patroni reads where etcd is only when it starts; later it learns of voters from voters, within
 * minutes. Before the last one it started with goes it must start anew. It is killed, because an
 * orderly end would stop PostgreSQL, which like this never notices: the new Patroni adopts it.
 */
function followEtcd(world: Snapshot, service: ServiceFacts): Decision[] {
  const endpoints = etcdFacts(world)?.endpoints ?? [];
  const { startedWith, noted, learnt } = service;
  const cluster = probe(world, 'cluster');
  const self = cluster.known
    ? cluster.value.members.find((member) => member.name === world.unit.member)
    : undefined;
  // Noted, because it is seen by the age of a file that is soon written anew for another reason;
  // and of what is no member, not yet or not any more, it does not hear. Whoever etcd has forgotten
  // may have been cut off before it could hear of anybody.
  const isVoter = (url: string) => endpoints.includes(url);
  const news = self === undefined ? [] : learnt.filter(isVoter);
  const heard = [...noted.filter(isVoter), ...news];
  if (heard.length !== noted.length || news.length > 0) {
    const why = 'Patroni asks etcd for its members from time to time';
    return [step('note-etcd-hosts', { hosts: heard }, why)];
  }
  const publish = publishHosts(world, service);
  const hasReadAll = endpoints.every((url) => startedWith.includes(url));
  if (startedWith.length === 0 || hasReadAll) return publish;
  // A clone or a start that is under way would be cut short. One that etcd does not know of is not
  // on its way: it waits for voters that are gone.
  if (self !== undefined && !['running', 'streaming'].includes(self.state)) return publish;
  // Of the voters some answer, but none of those that it has heard of, whatever is noted.
  const isCutOff = self === undefined && cluster.known && hasMajority(world);
  const knowsOne = endpoints.some((url) => [...startedWith, ...noted].includes(url));
  if (knowsOne && !isCutOff) return publish;
  const why = 'no voter is left of those that it started with';
  if (world.data.debris) return [step('stop-service', { name: 'patroni' }, why)];
  return [step('restart-service', { name: 'patroni', signal: 'SIGKILL' }, why)];
}

/** Also while Patroni is just starting anew: no later event may come of itself. */
function publishHosts({ peers }: Snapshot, { startedWith, noted }: ServiceFacts): Decision[] {
  const hosts = [...startedWith, ...noted].join(',');
  if (hosts === '' || peers.own['etcd-hosts'] === hosts) return [];
  const data = { 'etcd-hosts': hosts };
  return [step('peer-set', { scope: 'unit', data }, 'the leader waits for it')];
}

function reload(loaded: string | undefined, text: string): Decision[] {
  const digest = digestOf(text);
  if (loaded === digest) return [];
  return [step('reload-service', { name: 'patroni', digest }, 'it has read an older file')];
}

function start(world: Snapshot, wantedUp: boolean): Decision[] {
  if (isRestoring(world)) return [maintenance('restoring', 'restoring backup')];
  if (world.data.beforeRestore === true) return holdDown(world, wantedUp);
  const obstacle = unfinished(world) ?? obstacleToStart(world);
  if (obstacle !== undefined) return [obstacle];
  if (wantedUp) return [];
  // Stopped on purpose, and perhaps for a restore: only the agent knows whether one is at work.
  if (!world.agent.known && world.data.systemIdentifier !== undefined) return [];
  const once = founds(world);
  const why = once ? 'it makes the database' : 'the unit can hold its member';
  return [step('start-service', { name: 'patroni', ...(once ? { once } : {}) }, why)];
}

/**
 * What lies in the place of the data may be half of a restore that has failed since. The agent
 * knows, puts it right and starts Patroni; until then a supervisor that comes up must not.
 */
function holdDown(world: Snapshot, wantedUp: boolean): Decision[] {
  const why = 'a restore ended while this unit was away';
  const stop =
    wantedUp && !world.supervised ? [step('stop-service', { name: 'patroni' }, why)] : [];
  return [...stop, maintenance('restoring', 'restoring backup')];
}

function obstacleToFound(world: Snapshot): Decision | undefined {
  if (!mayFound(world)) return waiting('no-cluster', 'waiting for the first primary');
  if (mustAskFirst(world)) return waiting('cluster-unknown', 'waiting for etcd to answer');
  return undefined;
}

/** The agents stop and start members themselves while they restore. */
function isRestoring({ agent }: Snapshot): boolean {
  const work = agent.known ? agent.value.work : undefined;
  return work?.kind === 'restore' && work.outcome === 'running';
}

/** Why Patroni must not start here now; undefined when it may. */
function obstacleToStart(world: Snapshot): Decision | undefined {
  const { data, layout } = world;
  const ours = systemIdentifier(world);
  const cluster = probe(world, 'cluster');
  const initialized = (cluster.known ? cluster.value.initialized : undefined) ?? ours;
  if (data.systemIdentifier !== undefined) {
    if (initialized === undefined) return obstacleToFound(world);
    if (data.systemIdentifier === initialized) return undefined;
    return blocked(
      'foreign-data',
      `the storage holds another database (${data.systemIdentifier}); remove this unit and its ` +
        'storage, or attach an empty one',
    );
  }
  if (initialized === undefined) return obstacleToFound(world);
  // Also before there is an agent to ask: with the supervisor a Patroni comes up that was to run,
  // and what it finds here it neither clones over nor removes.
  if (data.debris && layout.data !== undefined && (cluster.known || !world.supervised)) {
    const why = 'it holds no control file: the rest of a clone that was cut short';
    return step('set-data-aside', { path: layout.data }, why);
  }
  if (!cluster.known)
    return waiting('cluster-unknown', `cannot ask the cluster: ${cluster.reason}`);
  return undefined;
}

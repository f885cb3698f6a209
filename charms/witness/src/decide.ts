/**
 * What the witness still lacks: a program, a certificate of the cluster that it is related to, and
 * the membership of etcd that the cluster's leader has given it. It joins when it is told that it
 * is a member, and wipes what it has when it is told that it is none.
 */
import {
  type Decision as AnyDecision,
  active,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { farewell, runWorkload } from '../../../lib/charm/workload.ts';
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import { cosAgentData } from '../../../lib/relations/cos-agent.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import {
  ETCD_METRICS_PORT,
  etcdMemberConfig,
  peerUrl,
} from '../../../lib/relations/etcd-member.ts';
import { unitChanges, type WatcherOffer } from '../../../lib/relations/postgresql-watcher.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { type Relation, SERVICE, type Steps, type World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

/** Endpoints of metadata.yaml. */
export const WATCHER = 'watcher';
export const METRICS = 'cos-agent';

export function decide(world: World): Decision[] {
  const last = farewell(world.ending, world.services);
  if (last !== undefined) {
    if (world.ending === 'remove' || !world.counts) return last;
    return [step('await-removal', {}, 'its voter counts as long as it is one'), ...last];
  }
  if (world.missingPackages.length > 0) {
    const packages = [...world.missingPackages];
    return [step('install-packages', { packages }, 'programs are missing')];
  }
  const { address, relation } = world;
  if (address === undefined) return [waiting('no-address', 'waiting for an address')];
  const told = metrics(world, address);
  if (relation === undefined || relation.ending) return [...told, ...leave(world)];
  return [...told, ...certificate(world, address), ...member(world, address, relation)];
}

/** The cluster takes its voter out before its etcd ends: until then it counts. */
function leave(world: World): Decision[] {
  const related = 'waiting for a relation: integrate it with postgresql:watcher-offer';
  if (world.counts) {
    const goesOn = world.services[SERVICE]?.wantedUp === true;
    return [
      ...(goesOn ? [step('let-end', {}, 'the relation has ended')] : []),
      maintenance('leaving', 'waiting for the cluster to take its voter out'),
    ];
  }
  return [
    ...wipe(world, 'no cluster is related'),
    ...forget(world),
    waiting('no-relation', related),
  ];
}

function forget({ request, held }: World): Decision[] {
  if (request === undefined && held === undefined) return [];
  return [step('remove-certificate', {}, 'no cluster is related')];
}

function wipe({ services, config, hasData }: World, why: string): Decision[] {
  const { running = false, wantedUp = false } = services[SERVICE] ?? {};
  const stop = running || wantedUp ? [step('stop-service', { name: SERVICE }, why)] : [];
  const remove = config !== undefined || hasData ? [step('remove-data', {}, why)] : [];
  return [...stop, ...remove];
}

function certificate(world: World, address: string): Decision[] {
  const { request, answer, held, loadedAuthority, services } = world;
  const names = [...new Set([address, ...world.sources])].sort();
  if (request === undefined || request.names.join() !== names.join()) {
    return [step('make-request', { names }, 'it has asked for no certificate for its address')];
  }
  const isNew = answer?.authority !== held?.authority || answer?.certificate !== held?.certificate;
  if (answer !== undefined && isNew) {
    return [step('write-certificate', { answer }, 'the cluster has answered its request')];
  }
  const isStale =
    services[SERVICE]?.running && (loadedAuthority ?? held?.authority) !== held?.authority;
  if (held === undefined || !isStale) return [];
  return [step('restart-etcd', {}, 'it reads only when it starts whom to trust')];
}

function member(world: World, address: string, relation: Relation): Decision[] {
  const { offer } = relation;
  // Nothing is known yet, nor given up.
  if (offer === undefined) {
    return [...tell(world, address, { relation, finished: undefined }), idle(world, offer)];
  }
  const given = offer.memberships[address];
  const self = offer.members.find(({ id }) => id === given?.id);
  if (given === undefined || self === undefined) {
    const left = wipe(world, 'the cluster counts it out');
    const finished = left.length === 0 ? given?.id : undefined;
    return [...left, ...tell(world, address, { relation, finished }), idle(world, offer)];
  }
  const said = tell(world, address, { relation, finished: undefined });
  const isOther = world.config !== undefined && membershipOf(world.config) !== given.id;
  if (isOther || (world.hasData && world.config === undefined)) {
    return [...wipe(world, 'its data are of an earlier membership'), ...said];
  }
  return [...join(world, address, { offer, given }), ...said, state(world, offer, self.learner)];
}

/** Id of the membership that a configuration is about. */
function membershipOf(config: string): string | undefined {
  return /"initial-cluster-token": "\S+ ([0-9a-f]+)"/.exec(config)?.[1];
}

function idle({ held }: World, offer: WatcherOffer | undefined): Decision {
  if (held === undefined) {
    return waiting('no-certificate', 'waiting for a certificate of the cluster');
  }
  return active('not-needed', `${offer?.cluster ?? 'the cluster'} needs no vote of it`);
}

function state({ services }: World, { cluster }: WatcherOffer, isLearner: boolean): Decision {
  if (services[SERVICE]?.running !== true) {
    return maintenance('etcd-down', 'etcd does not run yet');
  }
  if (isLearner) return maintenance('joining', `about to vote in ${cluster}`);
  return active('votes', `votes in ${cluster}`);
}

function join(
  world: World,
  address: string,
  { offer, given }: { offer: WatcherOffer; given: { id: string; name: string } },
): Decision[] {
  if (world.held === undefined) return [];
  const { places, user } = world;
  const others = offer.members.filter(({ id, name }) => id !== given.id && name !== '');
  const text = `${JSON.stringify(
    etcdMemberConfig({
      name: given.name,
      address,
      dataDirectory: places.data,
      tls: places.tls,
      state: 'existing',
      initialCluster: [
        ...others.map(({ name, peerUrl: url }) => `${name}=${url}`),
        `${given.name}=${peerUrl(address)}`,
      ].join(','),
      token: `${offer.cluster} ${given.id}`,
    }),
    null,
    2,
  )}\n`;
  const args = { config: new Secret(text), digest: digestOf(text) };
  const write = step('write-config', args, 'it joins the members of etcd');
  const spec: ServiceSpec = {
    command: ['/usr/bin/etcd', '--config-file', places.config],
    ...(user === undefined ? {} : { user }),
    env: {},
    requires: places.config,
    reads: places.tls.ca,
  };
  const run = runWorkload(world, { [SERVICE]: spec }, []);
  // As long as there are no data etcd compares the members with those that there are.
  return [...(!world.hasData && world.config !== text ? [write] : []), ...run];
}

/** A membership is finished when nothing of it is left; the last word on that stays. */
function tell(
  { held, request, zone, loadedAuthority, services }: World,
  address: string,
  { relation, finished }: { relation: Relation; finished: string | undefined },
): Decision[] {
  if (request === undefined) return [];
  const runs = services[SERVICE]?.running === true;
  const authority = (runs ? loadedAuthority : undefined) ?? held?.authority;
  const said = {
    address,
    zone,
    request: request.csr,
    trusts: held && authority && digestOf(authority),
    finished: finished ?? relation.local['finished-membership'],
  };
  const data = unitChanges(said, relation.local);
  if (Object.keys(data).length === 0) return [];
  const args = { endpoint: WATCHER, relationId: relation.id, data };
  return [step('tell', args, 'the cluster is to know this unit')];
}

function metrics(world: World, address: string): Decision[] {
  const { model, app, config, services } = world;
  const votes = config !== undefined && services[SERVICE]?.wantedUp === true;
  const target = { targets: [hostPort(address, ETCD_METRICS_PORT)] };
  const job = { job_name: 'etcd', metrics_path: '/metrics', static_configs: [target] };
  const topology = { model: model.name, modelUuid: model.uuid, app, charm: 'witness' };
  const wanted = cosAgentData(topology, { jobs: votes ? [job] : [], groups: [] });
  return world.metrics.flatMap(({ id, local }) => {
    const data = changedKeys(wanted, local);
    if (Object.keys(data).length === 0) return [];
    return [step('tell', { endpoint: METRICS, relationId: id, data }, 'what to scrape here')];
  });
}

/**
 * The first database of an application: who may make it, and what becomes of one that was cut
 * short. Patroni adopts whatever holds a control file, and initdb writes that first of all: what a
 * killed initdb left would become the database, without its roles and settings. So Patroni founds
 * in a single run, and what it has not finished is set aside before the next.
 *
 * Never touches data that a cluster has: as soon as etcd or a databag names one, nothing is
 * unfinished any more.
 */
import { clientUrl, etcdFacts, isPublished, systemIdentifier } from '../model/etcd-facts.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { type Decision, step, waiting } from '../model/steps.ts';

/**
 * Whose etcd is the only one that is published founds the database beside it, also when another
 * leads by then: Patroni's own key in that etcd lets no second one do it.
 */
export function mayFound(world: Snapshot): boolean {
  if (systemIdentifier(world) !== undefined || initialized(world) !== undefined) return false;
  const endpoints = etcdFacts(world)?.endpoints ?? [];
  const own = world.unit.address === undefined ? undefined : clientUrl(world.unit.address);
  return endpoints.length === 1 && endpoints[0] === own && isPublished(world);
}

/** It holds nothing yet: Patroni is started for a single run, in which it makes the database. */
export function founds(world: Snapshot): boolean {
  const { systemIdentifier: present, debris } = world.data;
  return mayFound(world) && present === undefined && !debris;
}

/** Of an etcd that ran before it has to be heard what became of an earlier attempt. */
export function mustAskFirst(world: Snapshot): boolean {
  return !probe(world, 'cluster').known && world.data.etcdMember;
}

/** Undefined: what lies here is none of its own making, or there is nothing. */
export function unfinished(world: Snapshot): Decision | undefined {
  const { data, layout } = world;
  const begun = world.services['patroni']?.once === true;
  const isEmpty = data.systemIdentifier === undefined && !data.debris;
  if (!begun || isEmpty || !mayFound(world)) return undefined;
  const cluster = probe(world, 'cluster');
  // Patroni begins only in an empty directory, and with an empty key that says so.
  const isCutShort =
    cluster.known && cluster.value.founding === true && cluster.value.members.length === 0;
  if (isCutShort && layout.data !== undefined) {
    return step('set-data-aside', { path: layout.data }, 'its making was cut short');
  }
  return waiting('founding-unknown', 'waiting for etcd to say whether the database was made');
}

/**
 * Patroni waits for whoever has said that the database is being made, and that is itself: etcd's
 * answer to its word came too late, Patroni said it again and was told that somebody already had.
 * Nobody else is ever allowed to. A Patroni that is at work after all loses nothing by it: when the
 * database is made it says so whatever is there.
 */
export function waitsForItself(world: Snapshot): boolean {
  const cluster = probe(world, 'cluster');
  if (!cluster.known || cluster.value.founding !== true || !founds(world)) return false;
  const self = cluster.value.members.find(({ name }) => name === world.unit.member);
  return world.services['patroni']?.once === true && self?.state === 'stopped';
}

function initialized(world: Snapshot): string | undefined {
  const cluster = probe(world, 'cluster');
  return cluster.known ? cluster.value.initialized : undefined;
}

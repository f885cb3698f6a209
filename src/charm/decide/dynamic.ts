/**
 * Patroni's configuration that all members share, and the restarts that a change of it needs.
 * Leader only. Keys that are not the charm's are left alone.
 */
import { digestOf } from '../../../lib/std/digest.ts';
import { differing, isTree, type Tree } from '../model/merge.ts';
import type { Options } from '../model/options.ts';
import { sizesOf } from '../model/parameters.ts';
import { dynamicConfig } from '../model/patroni-config.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { type Decider, maintenance, step } from '../model/steps.ts';
import { validOptions } from './options.ts';
import { preloadLibraries } from './plugins.ts';

export const dynamic: Decider = (world) => {
  const options = validOptions(world);
  const cluster = probe(world, 'cluster');
  if (!world.unit.isLeader || options === undefined || !cluster.known) return [];
  // Before the first primary has written it there is nothing to compare with.
  if (Object.keys(cluster.value.dynamic).length === 0) return [];
  const patch = differing(dynamicConfig(world, options), cluster.value.dynamic);
  if (patch === undefined) return [];
  return [step('patch-dynamic', { patch }, `shared settings differ: ${leaves(patch).join(', ')}`)];
};

export const rollingRestart: Decider = (world) => {
  const cluster = probe(world, 'cluster');
  const options = validOptions(world);
  if (!world.unit.isLeader || !world.agent.known || !cluster.known || !options) return [];
  const pending = cluster.value.members.filter((member) => member.pendingRestart);
  if (pending.length === 0) return [];
  const { work } = world.agent.value;
  if (work?.outcome === 'running') {
    return [maintenance('restarting', `${work.kind} in progress: ${work.phase}`)];
  }
  const names = pending.map((member) => member.name);
  const settings = settingsOf(world, options);
  // Once for each: a member that a restart did not help is an operator's to look at.
  const tried = work?.params['settings'] === settings ? work.params['members']?.split(',') : [];
  if (work?.kind === 'restart' && names.every((name) => tried?.includes(name))) {
    const reason = work.outcome === 'failed' ? `: ${work.message}` : '';
    return [maintenance('restart-pending', `a restart is pending on ${names.join(', ')}${reason}`)];
  }
  const why = `settings wait for a restart of ${names.join(', ')}`;
  const params = { settings, members: names.join(','), 'only-pending': 'true' };
  return [step('start-work', { kind: 'restart', params }, why)];
};

/** Everything that a restart may be pending for, in short. */
function settingsOf(world: Snapshot, options: Options): string {
  const { local } = sizesOf(world.machine, options);
  const libraries = preloadLibraries(world, options);
  return digestOf(JSON.stringify([dynamicConfig(world, options), local, libraries]));
}

function leaves(patch: Tree): string[] {
  return Object.entries(patch).flatMap(([key, value]) => (isTree(value) ? leaves(value) : [key]));
}

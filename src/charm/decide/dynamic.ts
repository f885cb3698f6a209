/**
 * Patroni's configuration that all members share, and the restarts that a change of it needs.
 * Leader only. Keys that are not the charm's are left alone.
 */
import { digestOf } from '../../../lib/std/digest.ts';
import { differing, isTree, type Tree } from '../model/merge.ts';
import { dynamicConfig } from '../model/patroni-config.ts';
import { probe } from '../model/snapshot.ts';
import { type Decider, maintenance, step } from '../model/steps.ts';
import { validOptions } from './options.ts';

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
  const settings = digestOf(JSON.stringify(dynamicConfig(world, options)));
  if (work?.kind === 'restart' && work.params['settings'] === settings) {
    const names = pending.map((member) => member.name).join(', ');
    const reason = work.outcome === 'failed' ? `: ${work.message}` : '';
    return [maintenance('restart-pending', `a restart is pending on ${names}${reason}`)];
  }
  const why = `settings wait for a restart of ${pending.map((member) => member.name).join(', ')}`;
  return [
    step('start-work', { kind: 'restart', params: { settings, 'only-pending': 'true' } }, why),
  ];
};

function leaves(patch: Tree): string[] {
  return Object.entries(patch).flatMap(([key, value]) => (isTree(value) ? leaves(value) : [key]));
}

/**
 * `run postgresql/1 reclone`: clones this unit's member anew from the primary. `release=true` ends
 * its quarantine first, and `force=true` clones also one that follows. Whether it may be at all,
 * the work looks up once more.
 */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { primaryOf, probe, type Snapshot } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';

interface Params {
  release: boolean;
  force: boolean;
}

export const reclone: Action<Snapshot, Steps, Params> = {
  name: 'reclone',
  parse: ({ release, force }) => ({
    release: flag('release', release),
    force: flag('force', force),
  }),
  plan(world, { release, force }) {
    const { name, member } = world.unit;
    const cannot = `cannot clone ${name} again`;
    const cluster = probe(world, 'cluster');
    if (!cluster.known) return refuse('cluster-unknown', `${cannot}: ${cluster.reason}`);
    const primary = primaryOf(world);
    if (primary === undefined) return refuse('no-primary', `${cannot}: no member is primary`);
    if (primary.member === member) {
      const cure = 'promote another unit first';
      return refuse('is-primary', `${cannot}: it is the primary; ${cure}`);
    }
    const self = cluster.value.members.find((each) => each.name === member);
    if (self === undefined) {
      return refuse('not-a-member', `${cannot}: it is not a member of the cluster`);
    }
    const trouble = world.agent.known ? world.agent.value.reclone : undefined;
    if (trouble?.state === 'quarantined' && !release) {
      const cure = 'mend that, then run again with release=true';
      return refuse('quarantined', `${cannot}: ${trouble.reason}; ${cure}`);
    }
    if (self.streaming && !force) {
      const cure = 'to give its data up all the same, run again with force=true';
      return refuse('member-follows', `${cannot}: it follows the primary; ${cure}`);
    }
    const params = { member, ...(release ? { release: 'true' } : {}) };
    const why = 'an operator wants it cloned anew';
    return accept([step('run-work', { kind: 'reclone', params }, why)], { reclone: 'started' });
  },
};

function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new Error(`cannot clone: ${name} is ${JSON.stringify(value)}, allowed: true, false`);
}

/**
 * Where the spans of this unit's events go: to the receiver that the `tracing` relation names, or
 * else to one that `cos-agent` does. Asks for one; the agent sends. Pure.
 */
import { changedKeys } from '../../../lib/relations/databag.ts';
import { otlpHttpEndpoint, tracingRequest } from '../../../lib/relations/tracing.ts';
import type { Desired } from '../model/desired.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Decider, step } from '../model/steps.ts';

const ENDPOINT = 'tracing';

export const tracing: Decider = (world) => {
  if (!world.unit.isLeader) return []; // Only the leader may write application data.
  return related(world, ENDPOINT).flatMap(({ id, app, localApp }) => {
    const data = changedKeys(tracingRequest(), localApp);
    if (Object.keys(data).length === 0) return [];
    const args = { endpoint: ENDPOINT, relationId: id, scope: 'app', data } as const;
    return [step('relation-set', args, `${app} is asked where traces go`)];
  });
};

/** Undefined: spans stay in their buffer. */
export function tracingWish(world: Snapshot): Desired['tracing'] {
  const bags = [
    ...related(world, ENDPOINT).map(({ remoteApp }) => remoteApp),
    ...related(world, 'cos-agent').flatMap(({ units }) => units.map(({ data }) => data)),
  ];
  const url = bags.map(otlpHttpEndpoint).find((found) => found !== undefined);
  return url === undefined ? undefined : { url, directory: world.layout.traces };
}

function related(world: Snapshot, name: string) {
  return world.relations.filter(({ endpoint, ending }) => endpoint === name && !ending);
}

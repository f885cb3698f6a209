/**
 * What of a healthy cluster is missing, doubled or left over among all processes of an
 * installation, found by its directory and so without asking anybody. Looks only; kills nothing.
 */
import { realpathSync } from 'node:fs';
import { censusOf, countsOf, everyoneOf, parents } from '../../src/chaos/census.ts';
import type { Process } from '../../src/chaos/model.ts';
import { findKeepers } from '../../src/controller/machines/keeper.ts';
import { NETWORK_MARK } from '../../src/controller/machines/networks.ts';
import { findProcesses } from './processes.ts';

export interface UnitPlace {
  unit: string;
  address: string;
}

/**
 * What differs from a healthy cluster, a line each; empty: exactly one process of each kind on each
 * unit, `voters` times etcd, one controller, and nothing else, not even a hook.
 */
export function deviations(root: string, places: readonly UnitPlace[], voters: number): string[] {
  const all = findProcesses(root);
  const censuses = places.map(({ unit, address }) =>
    censusOf({ directory: `${root}/agents/unit-${unit.replace('/', '-')}`, address }, all),
  );
  const result = censuses.flatMap((census, at) =>
    Object.entries(countsOf(census))
      .filter(([, count]) => count !== 1)
      .map(([name, count]) => `${places[at]?.unit}: ${count} of ${name}`),
  );
  const etcds = censuses.map(({ services }) => services.etcd.length);
  if (Math.max(...etcds) > 1 || etcds.reduce((sum, count) => sum + count, 0) !== voters) {
    result.push(`${etcds.join('+')} instead of ${voters} voters`);
  }
  const controllers = parents(all.filter(({ command }) => command.includes('controller.js ')));
  if (controllers.length !== 1) result.push(`${controllers.length} controllers`);
  const keepers = findKeepers({ name: NETWORK_MARK, root: realpathSync(root) }).values();
  const ours = [...controllers, ...keepers, ...censuses.flatMap(everyoneOf)];
  const known = new Set(ours.map(({ pid }) => pid));
  const besides = all.filter((one) => !known.has(one.pid) && !isBackend(one, all));
  return [...result, ...besides.map(({ pid, command }) => `besides: ${pid} ${command}`)];
}

/** Belongs to a postmaster: of a unit, or one that an action has started for itself. */
function isBackend({ parent }: Process, all: readonly Process[]): boolean {
  return all.some(({ pid, command }) => pid === parent && command.includes('bin/postgres -D'));
}

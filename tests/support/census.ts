/**
 * Which process of an installation is which, told by its command and directory, and what of a
 * healthy cluster is missing, doubled or left over. Looks only; kills nothing.
 */
import { readFileSync, realpathSync } from 'node:fs';
import type { Found } from '../../scripts/lib/processes.mjs';
import { findKeepers } from '../../src/controller/machines/keeper.ts';
import { NETWORK_MARK } from '../../src/controller/machines/networks.ts';
import { findProcesses } from './processes.ts';

export type ServiceName = 'patroni' | 'etcd' | 'pgbouncer' | 'agent';

const SERVICES: readonly ServiceName[] = ['patroni', 'etcd', 'pgbouncer', 'agent'];
/** Kept down without an object store, but supervised. */
const SUPERVISED: readonly string[] = [...SERVICES, 'pgbackrest'];

export interface UnitPlace {
  unit: string;
  address: string;
}

/** The processes of one unit, by what they are. */
export interface Census {
  supervisor: Found[];
  /** By service, as are the loggers. */
  runsv: Record<string, Found[]>;
  loggers: Record<string, Found[]>;
  services: Record<ServiceName, Found[]>;
  postmaster: Found[];
}

export function censusOf(root: string, place: UnitPlace, all = findProcesses(root)): Census {
  const base = `${root}/agents/unit-${place.unit.replace('/', '-')}/pg`;
  const having = (...words: string[]) =>
    parents(all.filter(({ command }) => words.every((word) => command.includes(word))));
  const runs = (name: string) =>
    all.filter(
      ({ command, cwd }) => command === `runsv ${name}` && cwd === `${base}/service/${name}`,
    );
  return {
    supervisor: having('runsvdir ', `${base}/service `),
    runsv: Object.fromEntries(SUPERVISED.map((name) => [name, runs(name)])),
    loggers: Object.fromEntries(
      SUPERVISED.map((name) => [
        name,
        all.filter(({ command }) => command === `svlogd -tt ${base}/log/${name}`),
      ]),
    ),
    services: {
      patroni: having('/patroni ', `${base}/etc/patroni.yaml`),
      etcd: having('/etcd ', `${base}/etc/etcd.yaml`),
      pgbouncer: having('/pgbouncer ', `${base}/etc/pgbouncer.ini`),
      agent: having('src/agent/main.js', ` --dir ${base} `),
    },
    postmaster: having('bin/postgres -D ', `--listen_addresses=${place.address} `),
  };
}

export function everyoneOf({ supervisor, runsv, loggers, services, postmaster }: Census): Found[] {
  const groups = [runsv, loggers, services].flatMap((group) => Object.values(group));
  return [supervisor, postmaster, ...groups].flat();
}

/**
 * What differs from a healthy cluster, a line each; empty: exactly one process of each kind on each
 * unit, `voters` times etcd, one controller, and nothing else, not even a hook.
 */
export function deviations(root: string, places: readonly UnitPlace[], voters: number): string[] {
  const all = findProcesses(root);
  const censuses = places.map((place) => censusOf(root, place, all));
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
  const besides = all.filter(({ pid }) => !known.has(pid) && !isBackend(pid));
  return [...result, ...besides.map(({ pid, command }) => `besides: ${pid} ${command}`)];
}

function countsOf(census: Census): Record<string, number> {
  const { etcd: _, ...everywhere } = census.services;
  const { supervisor: runsvdir, postmaster } = census;
  const named = (prefix: string, group: Record<string, Found[]>) =>
    Object.entries(group).map(([name, found]) => [`${prefix}${name}`, found.length]);
  return Object.fromEntries([
    ...named('', { runsvdir, postmaster, ...everywhere }),
    ...named('runsv ', census.runsv),
    ...named('log of ', census.loggers),
  ]);
}

/** Copies of a service that wait for the lock that a running one holds. */
export function queuedCopies(root: string, { unit }: UnitPlace): Found[] {
  const services = `${root}/agents/unit-${unit.replace('/', '-')}/pg/service/`;
  return findProcesses(root).filter(
    ({ command, cwd }) => command.startsWith('chpst ') && cwd.startsWith(services),
  );
}

/** Without those that one of them has just forked: they look like it until they run a program. */
function parents(found: readonly Found[]): Found[] {
  const pids = new Set(found.map(({ pid }) => pid));
  return found.filter(({ pid }) => !pids.has(parentOf(pid) ?? 0));
}

/** Belongs to a living postmaster. */
function isBackend(pid: number): boolean {
  const parent = parentOf(pid);
  return parent !== undefined && read(`/proc/${parent}/cmdline`).includes('bin/postgres\0-D');
}

function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  return parent === undefined ? undefined : Number(parent);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It has just ended.
  }
}

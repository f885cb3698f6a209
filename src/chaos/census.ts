/**
 * Which process of a unit is which, told by its command and directory. Looks only at the list that
 * it is given; signals nothing.
 */
import type { Process } from './model.ts';

export type ServiceName = 'patroni' | 'etcd' | 'pgbouncer' | 'agent';

const SERVICES: readonly ServiceName[] = ['patroni', 'etcd', 'pgbouncer', 'agent'];
/** Kept down without an object store, but supervised. */
const SUPERVISED: readonly string[] = [...SERVICES, 'pgbackrest'];

export interface UnitPlace {
  /** The unit's directory. */
  readonly directory: string;
  readonly address: string;
}

/** The processes of one unit, by what they are. */
export interface Census {
  readonly supervisor: Process[];
  /** By service, as are the loggers. */
  readonly runsv: Record<string, Process[]>;
  readonly loggers: Record<string, Process[]>;
  readonly services: Record<ServiceName, Process[]>;
  readonly postmaster: Process[];
  /** What the postmaster has started. */
  readonly backends: Process[];
  /** What supervisors have started and is no service yet, such as one that waits for a lock. */
  readonly starting: Process[];
}

/** @param all processes, of this unit at least */
export function censusOf({ directory, address }: UnitPlace, all: readonly Process[]): Census {
  const base = `${directory}/pg`;
  const having = (...words: string[]) =>
    parents(all.filter(({ command }) => words.every((word) => command.includes(word))));
  const postmaster = having('bin/postgres -D ', `--listen_addresses=${address} `);
  const bySupervised = (wanted: (name: string) => (one: Process) => boolean) =>
    Object.fromEntries(SUPERVISED.map((name) => [name, all.filter(wanted(name))]));
  return {
    supervisor: having('runsvdir ', `${base}/service `),
    runsv: bySupervised(
      (name) =>
        ({ command, cwd }) =>
          command === `runsv ${name}` && cwd === `${base}/service/${name}`,
    ),
    loggers: bySupervised(
      (name) =>
        ({ command }) =>
          command === `svlogd -tt ${base}/log/${name}`,
    ),
    services: {
      patroni: having('/patroni ', `${base}/etc/patroni.yaml`),
      etcd: having('/etcd ', `${base}/etc/etcd.yaml`),
      pgbouncer: having('/pgbouncer ', `${base}/etc/pgbouncer.ini`),
      agent: having('src/agent/main.js', ` --dir ${base} `),
    },
    postmaster,
    backends: all.filter(({ parent }) => postmaster.some(({ pid }) => pid === parent)),
    starting: all.filter(
      ({ command, cwd }) => cwd.startsWith(`${base}/service/`) && !command.startsWith('runsv '),
    ),
  };
}

/** What runs for good: without backends, which end with the postmaster, and without what starts. */
export function everyoneOf(census: Census): Process[] {
  const { supervisor, runsv, loggers, services, postmaster } = census;
  const groups = [runsv, loggers, services].flatMap((group) => Object.values(group));
  return [supervisor, postmaster, ...groups].flat();
}

/** How many there are of each kind that every unit has once; etcd is not among them. */
export function countsOf(census: Census): Record<string, number> {
  const { etcd: _, ...everywhere } = census.services;
  const { supervisor: runsvdir, postmaster } = census;
  const named = (prefix: string, group: Record<string, Process[]>) =>
    Object.entries(group).map(([name, found]) => [`${prefix}${name}`, found.length]);
  return Object.fromEntries([
    ...named('', { runsvdir, postmaster, ...everywhere }),
    ...named('runsv ', census.runsv),
    ...named('log of ', census.loggers),
  ]);
}

/** Without those that one of them has just forked: they look like it until they run a program. */
export function parents(found: readonly Process[]): Process[] {
  const pids = new Set(found.map(({ pid }) => pid));
  return found.filter(({ parent }) => !pids.has(parent));
}

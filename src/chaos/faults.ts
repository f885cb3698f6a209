/**
 * The faults by name, as a table of what and where: `kill-postmaster:primary`. A kind alone names
 * it in all its places, `all` everything; without a choice it is what clusters meet most.
 */
import { OperatorError } from '../../lib/std/errors.ts';
import type { Cluster } from './cluster.ts';
import type { Strike } from './strikes.ts';
import * as strikes from './strikes.ts';

/** Which units are struck: one of the kind, or several at once. */
export type Place = 'primary' | 'replica' | 'etcd-leader' | 'majority' | 'every' | 'cluster';

export interface Fault {
  readonly name: string;
  readonly summary: string;
  readonly place: Place;
  readonly strike: Strike;
  /** It lasts for a time that the operator chooses, and is then given back where it can be. */
  readonly lasts: boolean;
  /** Among those that are struck without a choice. */
  readonly usual: boolean;
}

interface Kind {
  readonly name: string;
  readonly summary: string;
  readonly places: readonly Place[];
  readonly usual?: readonly Place[];
  readonly strike: Strike;
  readonly lasts?: true;
}

const { cut, kill, freeze, wipe } = strikes;
const one: readonly Place[] = ['primary', 'replica'];
const oneOrAll: readonly Place[] = ['primary', 'replica', 'every'];

const kinds: readonly Kind[] = [
  {
    name: 'kill-postmaster',
    summary: 'PostgreSQL crashes',
    places: oneOrAll,
    usual: ['primary', 'replica'],
    strike: kill(strikes.postmaster),
  },
  {
    name: 'kill-patroni',
    summary: 'Patroni crashes, PostgreSQL runs on',
    places: oneOrAll,
    usual: ['primary'],
    strike: kill(strikes.patroni),
  },
  {
    name: 'kill-database',
    summary: 'Patroni and PostgreSQL crash together',
    places: oneOrAll,
    usual: ['primary'],
    strike: kill(strikes.database),
  },
  {
    name: 'kill-etcd',
    summary: 'etcd crashes',
    places: ['etcd-leader', ...oneOrAll],
    usual: ['etcd-leader'],
    strike: kill(strikes.etcd),
  },
  {
    name: 'kill-pgbouncer',
    summary: 'the pooler crashes',
    places: oneOrAll,
    usual: ['primary'],
    strike: kill(strikes.pgbouncer),
  },
  {
    name: 'kill-agent',
    summary: 'the resident process of the unit crashes',
    places: oneOrAll,
    usual: ['primary'],
    strike: kill(strikes.agent),
  },
  {
    name: 'kill-runsv',
    summary: 'the services lose their supervisors, and run on',
    places: one,
    strike: kill(strikes.supervisors),
  },
  {
    name: 'kill-runsvdir',
    summary: 'the supervisor of supervisors crashes, the services run on',
    places: one,
    strike: kill(strikes.supervisor),
  },
  {
    name: 'kill-unit',
    summary: 'every process of the unit is killed, and nobody took its power',
    places: oneOrAll,
    strike: kill(strikes.everyone),
  },
  {
    name: 'kill-controller',
    summary: 'the embedded controller crashes',
    places: ['cluster'],
    usual: ['cluster'],
    strike: strikes.killController,
  },
  {
    name: 'freeze-postgresql',
    summary: 'PostgreSQL stands still (SIGSTOP), and goes on later',
    places: one,
    usual: ['primary'],
    strike: freeze(strikes.postgresql),
    lasts: true,
  },
  {
    name: 'freeze-patroni',
    summary: 'Patroni stands still, PostgreSQL runs on',
    places: one,
    strike: freeze(strikes.patroni),
    lasts: true,
  },
  {
    name: 'freeze-etcd',
    summary: 'etcd stands still',
    places: ['etcd-leader', ...one, 'majority'],
    strike: freeze(strikes.etcd),
    lasts: true,
  },
  {
    name: 'freeze-pgbouncer',
    summary: 'the pooler stands still',
    places: one,
    strike: freeze(strikes.pgbouncer),
    lasts: true,
  },
  {
    name: 'freeze-agent',
    summary: 'the resident process of the unit stands still',
    places: one,
    strike: freeze(strikes.agent),
    lasts: true,
  },
  {
    name: 'freeze-unit',
    summary: 'all of the unit stands still, as a machine that is suspended',
    places: one,
    strike: freeze(strikes.everyone),
    lasts: true,
  },
  {
    name: 'power-off',
    summary: 'the machine loses its power, and gets it back',
    places: ['primary', 'replica', 'etcd-leader', 'majority', 'every'],
    usual: ['primary', 'replica'],
    strike: strikes.powerOff,
    lasts: true,
  },
  {
    name: 'cut-off',
    summary: 'the machine hears nobody and nobody hears it, clients included',
    places: ['etcd-leader', ...one, 'majority'],
    strike: cut('all'),
    lasts: true,
  },
  {
    name: 'cut-from-units',
    summary: 'the units do not hear each other; their clients are heard',
    places: one,
    strike: cut('units'),
    lasts: true,
  },
  {
    name: 'cut-in',
    summary: 'the machine hears nothing of the other units, which hear it',
    places: one,
    strike: cut('units', 'in'),
    lasts: true,
  },
  {
    name: 'cut-out',
    summary: 'the other units hear nothing of the machine, which hears them',
    places: one,
    strike: cut('units', 'out'),
    lasts: true,
  },
  ...wiped('leader', 'the lease of the primary'),
  ...wiped('initialize', 'the mark that there is a database'),
  ...wiped('sync', 'the record of who may be promoted'),
  ...wiped('config', 'the settings that members share'),
  ...wiped('', 'everything that Patroni keeps'),
  {
    name: 'fill-disk',
    summary: 'the disks of the storage are full, and empty later',
    places: one,
    strike: strikes.fillDisk,
    lasts: true,
  },
];

export const faults: readonly Fault[] = kinds.flatMap((kind) =>
  kind.places.map((place) => ({
    name: place === 'cluster' ? kind.name : `${kind.name}:${place}`,
    summary: kind.summary,
    place,
    strike: kind.strike,
    lasts: kind.lasts ?? false,
    usual: kind.usual?.includes(place) ?? false,
  })),
);

function wiped(key: string, what: string): Kind[] {
  const name = key === '' ? 'wipe-all-keys' : `wipe-${key}-key`;
  const summary = `${what} is gone from etcd`;
  // Patroni looks once in its loop: without the time nobody would have noticed yet.
  return [{ name, summary, places: ['cluster'], strike: wipe(key), lasts: true }];
}

/**
 * The faults that words name, in the table's order.
 *
 * @param words names, kinds, `all`; none for the usual ones
 * @throws OperatorError `unknown-fault`
 */
export function chosenFaults(words: readonly string[]): Fault[] {
  if (words.length === 0) return faults.filter(({ usual }) => usual);
  const means = (word: string, name: string) =>
    word === 'all' || word === name || name.startsWith(`${word}:`);
  const unknown = words.filter((word) => !faults.some(({ name }) => means(word, name)));
  if (unknown.length > 0) {
    throw new OperatorError({
      code: 'unknown-fault',
      message: `cannot inject ${unknown.join(', ')}: there is no such fault`,
      hint: '`pgcharm chaos --list` names them',
      retry: 'never',
    });
  }
  return faults.filter(({ name }) => words.some((word) => means(word, name)));
}

/**
 * Whom a fault strikes.
 *
 * @param pick a number from 0 to below 1 that decides between units that are alike
 * @returns none where the place is no unit, undefined where this cluster has no such place
 */
export async function struckUnits(
  place: Place,
  cluster: Cluster,
  pick: number,
): Promise<string[] | undefined> {
  if (place === 'cluster') return [];
  if (place === 'primary') return [await cluster.primary()];
  if (place === 'etcd-leader') return [await cluster.etcdLeader()];
  const names = place === 'replica' ? await cluster.replicas() : await cluster.names();
  if (place === 'every') return names;
  const from = Math.floor(pick * names.length);
  const turned = [...names.slice(from), ...names.slice(0, from)];
  if (place === 'majority') return turned.slice(0, Math.floor(names.length / 2) + 1);
  return turned.length === 0 ? undefined : turned.slice(0, 1);
}

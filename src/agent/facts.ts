/**
 * Everything the agent has observed, each subject written by one watch. A change is announced once,
 * by subject; equal values are no change. Holds the verifiers of users, which never leave it except
 * into PgBouncer's user list.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  ClusterView,
  DatabaseView,
  DirectoryView,
  EtcdView,
  LocalView,
  Observed,
  PeerView,
  PoolerView,
  RecloneView,
  WorkView,
} from '../charm/model/world.ts';
import { unknown } from '../charm/model/world.ts';
import type { PoolerUser } from '../charm/workload/pgbouncer.ts';
import type { Pulse } from './decide/holding.ts';

/** One row of pg_stat_replication on the primary. */
export interface Replication {
  member: string;
  state: string;
  lagBytes: number;
}

/** What Patroni and its keys in etcd say, before PostgreSQL's own view is added. */
export type PatroniView = ClusterView;

export interface Subjects {
  etcd: Observed<EtcdView>;
  patroni: Observed<PatroniView>;
  /** What a connection to the primary shows; the address it was read from. */
  primary: Observed<PrimaryView>;
  /** Of the server that the pooler leads to; undefined before it was heard. */
  pulse: Pulse | undefined;
  local: Observed<LocalView>;
  pooler: Observed<PoolerView>;
  peers: Record<string, Observed<PeerView>>;
  work: WorkView | undefined;
  /** Grows when jobs or the repository have changed. */
  jobs: number;
  /** Undefined where the directory's users are not synchronised. */
  directory: DirectoryView | undefined;
  /** Undefined while this unit's member follows, or may yet. */
  reclone: RecloneView | undefined;
}

export interface PrimaryView {
  address: string;
  database: DatabaseView;
  users: PoolerUser[];
  /** Members whose confirmation a commit waits for. */
  waitsFor: string[];
  replication: Replication[];
}

export type Subject = keyof Subjects;

export class Facts {
  #subjects: Subjects = {
    etcd: unknown('not asked yet'),
    patroni: unknown('not asked yet'),
    primary: unknown('not asked yet'),
    pulse: undefined,
    local: unknown('not asked yet'),
    pooler: unknown('not asked yet'),
    peers: {},
    work: undefined,
    jobs: 0,
    directory: undefined,
    reclone: undefined,
  };
  #listeners: ((subject: Subject) => void)[] = [];

  get now(): Readonly<Subjects> {
    return this.#subjects;
  }

  /** @returns whether the value differs from what was known */
  set<K extends Subject>(subject: K, value: Subjects[K]): boolean {
    if (isDeepStrictEqual(this.#subjects[subject], value)) return false;
    this.#subjects = { ...this.#subjects, [subject]: value };
    for (const listener of this.#listeners) listener(subject);
    return true;
  }

  onChange(listener: (subject: Subject) => void): void {
    this.#listeners.push(listener);
  }
}

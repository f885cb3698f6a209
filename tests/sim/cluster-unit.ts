/**
 * What one unit of the simulated cluster has: its disk, its services, its database, and what it has
 * heard of the others. Only data; who changes it stands in the files beside this one.
 */

import { directoryWishes } from '../../src/charm/model/directories.ts';
import { clientUrl, peerUrl } from '../../src/charm/model/etcd-facts.ts';
import { type Layout, layoutOf } from '../../src/charm/model/layout.ts';
import { etcdHostsOf } from '../../src/charm/model/patroni-config.ts';
import type { ServiceFacts, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { ServiceName } from '../../src/charm/model/steps.ts';
import type { AgentWorld } from '../../src/charm/model/world.ts';
import type { SimEtcd } from './cluster-etcd.ts';

export type Bag = Record<string, string>;

export const STORAGES = {
  data: '/storage/data/1',
  logs: '/storage/logs/2',
  temp: '/storage/temp/3',
};

export interface Postgres {
  alive: boolean;
  role: 'primary' | 'replica';
  /** What its control file says. */
  systemIdentifier: string | undefined;
  /** Its making was not cut short: roles and settings are there. */
  whole: boolean;
  /** When the initdb that is under way is complete. */
  initUntil: number | undefined;
  debris: boolean;
  timeline: number;
  /** How much has been written. */
  position: number;
  /** When the clone that is under way is complete. */
  cloneUntil: number | undefined;
  /** The members that it must reach to go on without etcd. */
  failsafe: string[];
  /** Until when a primary without etcd has asked it to keep quiet. */
  quietUntil: number;
  /** The etcd that its Patroni has followed last. */
  dcs: SimEtcd | undefined;
}

/** Patroni refreshes its list of voters every ten `ttl`; observe/services.ts counts a bit more. */
export const LEARNS_AFTER_MS = 300_000;
const LEARNT_AFTER_MS = 330_000;

export class SimUnit {
  readonly number: number;
  readonly name: string;
  readonly member: string;
  readonly address: string;
  readonly layout: Layout;
  life: 'alive' | 'dying' | 'gone' = 'alive';
  powered = true;
  supervised = true;
  files: Bag = {};
  filesVersion = 0;
  readonly directories: Snapshot['directories'];
  services: Record<string, ServiceFacts> = {};
  own: Bag = {};
  certified: string[] | undefined;
  /** Databags of the others as this unit sees them: perhaps old. */
  readonly heard = new Map<string, Bag>();
  heardApp: Bag = {};
  etcd: { cluster: SimEtcd; memberId: string } | undefined;
  etcdDirectory = false;
  readonly pg: Postgres = {
    alive: false,
    role: 'replica',
    systemIdentifier: undefined,
    whole: false,
    initUntil: undefined,
    debris: false,
    timeline: 0,
    position: 0,
    cloneUntil: undefined,
    failsafe: [],
    quietUntil: 0,
    dcs: undefined,
  };
  /** Client URLs that its Patroni was configured with, that it knows, that hooks have noted. */
  configured: string[] = [];
  hosts: string[] = [];
  noted: string[] = [];
  hostsAt = 0;
  patroniWrittenAt = 0;
  view: { world: AgentWorld; at: number } | undefined;
  /** Client URLs of etcd's members when its agent saw them last. */
  seenVoters: string[] = [];
  generation = 0;
  readonly answeredAt = new Map<string, number>();
  /** Of the last event that found nothing to do. */
  idleKey = '';

  constructor(number: number) {
    this.number = number;
    this.name = `postgresql/${number}`;
    this.member = `postgresql-${number}`;
    this.address = `10.0.0.${10 + number}`;
    this.layout = layoutOf(`/unit-${number}`, STORAGES, 15);
    const wishes = directoryWishes(this.layout).map(({ path, mode, owner }) => {
      return [path, { mode, uid: owner === 'servers' ? 101 : 0 }] as const;
    });
    this.directories = Object.fromEntries(wishes);
  }

  get clientUrl(): string {
    return clientUrl(this.address);
  }

  get peerUrl(): string {
    return peerUrl(this.address);
  }

  runs(service: ServiceName): boolean {
    return this.powered && this.supervised && this.services[service]?.running === true;
  }

  /** Its etcd runs and is a member of the cluster whose data it holds. */
  get etcdRuns(): boolean {
    const { etcd } = this;
    if (etcd === undefined || !this.runs('etcd')) return false;
    return etcd.cluster.members.some(({ id }) => id === etcd.memberId);
  }

  get isWritable(): boolean {
    return this.powered && this.pg.alive && this.pg.role === 'primary';
  }

  change(service: ServiceName, change: Partial<ServiceFacts>): void {
    const old = this.services[service];
    if (old !== undefined) this.services = { ...this.services, [service]: { ...old, ...change } };
  }

  write(path: string, text: string | undefined, now: number): void {
    const { [path]: _, ...rest } = this.files;
    this.files = text === undefined ? rest : { ...rest, [path]: text };
    this.filesVersion++;
    if (path === this.layout.patroniConfig) this.patroniWrittenAt = now;
  }

  /** What hooks believe Patroni has heard of meanwhile; the same rule as observe/services.ts. */
  learnt(now: number): string[] {
    const text = this.files[this.layout.patroniConfig];
    const isLearnt = now - this.patroniWrittenAt >= LEARNT_AFTER_MS && text !== undefined;
    if (!isLearnt || !this.services['patroni']?.running) return [];
    return etcdHostsOf(text).filter((url) => ![...this.configured, ...this.noted].includes(url));
  }

  /** Patroni reads its file. */
  startPatroni(now: number): void {
    const text = this.files[this.layout.patroniConfig];
    if (text === undefined) return;
    this.configured = etcdHostsOf(text);
    this.hosts = this.configured;
    this.noted = [];
    this.hostsAt = now;
  }

  /** Patroni alone is killed; what it had begun ends, and PostgreSQL goes on. */
  killPatroni(now: number): void {
    this.#cutShort();
    if (this.services['patroni']?.wantedUp) this.startPatroni(now);
    else this.change('patroni', { running: false });
  }

  /** Its processes end at once; a clone that was under way leaves its rest. */
  powerOff(): void {
    this.powered = false;
    this.supervised = false;
    this.stopPostgres();
    this.view = undefined;
    for (const name of Object.keys(this.services)) {
      this.change(name as ServiceName, { running: false });
    }
  }

  stopPostgres(): void {
    this.pg.alive = false;
    this.pg.role = 'replica';
    this.#cutShort();
  }

  /** A clone leaves no control file, an initdb may: it writes that first of all. */
  #cutShort(): void {
    const { pg } = this;
    if (pg.cloneUntil !== undefined) pg.debris = true;
    if (pg.initUntil !== undefined) {
      pg.debris = pg.initUntil % 3 === 0;
      pg.systemIdentifier = pg.initUntil % 3 === 1 ? '7199999999999999999' : undefined;
    }
    pg.cloneUntil = undefined;
    pg.initUntil = undefined;
  }
}

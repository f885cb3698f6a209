/**
 * One unit of the charm in memory: what its hooks write, and what its services would make of it.
 *
 * Files and services change at once; databags, secrets and ports when a hook succeeds, and are lost
 * when it is killed. `reality()` is the time between hooks: the agent catches up, etcd and Patroni
 * come up with what was started.
 */

import { statusOf } from '../../lib/charm/decision.ts';
import { reconcile, type StepTable } from '../../lib/charm/reconcile.ts';
import { digestOf } from '../../lib/std/digest.ts';
import { postgresql } from '../../src/charm/charm.ts';
import { SECRET_FIELDS } from '../../src/charm/decide/identity.ts';
import { validOptions } from '../../src/charm/decide/options.ts';
import { NO_CERTIFICATES } from '../../src/charm/model/certificates.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import { directoryWishes } from '../../src/charm/model/directories.ts';
import { clientUrl, peerUrl } from '../../src/charm/model/etcd-facts.ts';
import { layoutOf } from '../../src/charm/model/layout.ts';
import { dynamicConfig, etcdHostsOf } from '../../src/charm/model/patroni-config.ts';
import type { ServiceFacts, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Steps } from '../../src/charm/model/steps.ts';
import {
  type AgentWorld,
  type ClusterMember,
  known,
  unknown,
} from '../../src/charm/model/world.ts';
import { EVENT, MACHINE, NAMED, optionsOf } from './machine.ts';

type Bag = Record<string, string>;

/** What a hook writes and what is lost when it fails. */
export interface Committed {
  app: Bag;
  own: Bag;
  appSecret: Bag | undefined;
  unitSecret: Bag | undefined;
  certified: string[];
  ports: string[];
}

export type Effects = { [K in keyof Steps]?: (args: Steps[K], pending: Committed) => void };

export const IDENTIFIER = '7100000000000000001';
const ADDRESS = '10.0.0.10';
const STORAGES = { data: '/storage/data/1', logs: '/storage/logs/2', temp: '/storage/temp/3' };

export class UnitWorld {
  event: Partial<Snapshot['event']> = {};
  isLeader = true;
  dying = false;
  planned = ['postgresql/0'];
  leaving: string[] = [];
  others: Snapshot['peers']['others'] = [];
  config: Record<string, string | number | boolean> = { profile: 'testing' };
  named = NAMED;
  systemUsers: Bag | undefined;
  /** What the cluster's etcd says beyond this unit, for a unit that does not found it. */
  elsewhere: { initialized: string; members: ClusterMember[] } | undefined;
  committed: Committed = {
    app: {},
    own: {},
    appSecret: undefined,
    unitSecret: undefined,
    certified: [],
    ports: [],
  };
  files: Bag = {};
  directories: Snapshot['directories'] = {};
  services: Record<string, ServiceFacts> = {};
  supervised = false;
  copies: string[] = [];
  data: Snapshot['data'] = { systemIdentifier: undefined, debris: false, etcdMember: false };
  left = false;
  removed = false;
  /** Patroni has begun to make the first database, and not said that it has. */
  founding = false;
  /** Generation that the agent has reached. */
  generation = 0;
  dynamic: Record<string, unknown> = {};

  /** One event. @param dieBefore number of the step before which the process is killed */
  async hook(name = 'config-changed', dieBefore = Number.POSITIVE_INFINITY) {
    const pending = structuredClone(this.committed);
    const plan: string[] = [];
    const kinds: string[] = [];
    this.event = { ...this.event, name };
    try {
      const outcome = await reconcile<Snapshot, Steps, Committed>({
        observe: async () => this.snapshot(pending),
        deciders: postgresql.deciders,
        steps: this.#table(),
        tools: pending,
        onStep: (step) => {
          if (kinds.length === dieBefore) throw new Error('killed');
          plan.push(JSON.stringify(step));
          kinds.push(step.kind);
        },
      });
      this.committed = pending;
      const said = JSON.stringify(outcome.findings);
      return { kinds, plan: [...plan, said], status: statusOf(outcome.findings), ...outcome };
    } catch (error) {
      if (!(error instanceof Error && error.message === 'killed')) throw error;
      return { kinds, plan, status: undefined, findings: [], failed: [] };
    }
  }

  /** Hooks and what follows from them until nothing changes. @returns the last hook */
  async settle() {
    for (let round = 0; round < 12; round++) {
      const last = await this.hook();
      const moved = this.reality();
      if (last.kinds.length === 0 && !moved) return last;
    }
    throw new Error('does not settle');
  }

  /** @returns whether anything has changed */
  reality(): boolean {
    const before = JSON.stringify([this.data, this.services, this.generation, this.dynamic]);
    const { layout } = this.snapshot();
    if (this.supervised) {
      for (const [name, service] of Object.entries(this.services)) {
        this.services[name] = { ...service, running: service.running || service.wantedUp };
      }
    }
    const etcd = this.services['etcd']?.running && this.files[layout.etcdConfig];
    if (etcd) this.data = { ...this.data, etcdMember: true };
    const founds = this.files[layout.patroniConfig]?.includes('"dcs"');
    if (this.services['patroni']?.running && (founds ? etcd : this.elsewhere)) {
      this.data = { ...this.data, systemIdentifier: this.elsewhere?.initialized ?? IDENTIFIER };
      const options = validOptions(this.snapshot());
      if (options !== undefined) this.dynamic = dynamicConfig(this.snapshot(), options);
    }
    if (this.services['agent']?.running) this.generation = this.desired()?.generation ?? 0;
    return JSON.stringify([this.data, this.services, this.generation, this.dynamic]) !== before;
  }

  desired(): Desired | undefined {
    const text = this.files[this.snapshot().layout.desired];
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Everything that no plan, log or status may show. */
  secrets(): string[] {
    const { appSecret, unitSecret } = this.committed;
    return [...Object.values(appSecret ?? {}), unitSecret?.['internal-key'] ?? ''].filter(
      (value) =>
        !['', appSecret?.['internal-ca'], appSecret?.['system-identifier']].includes(value),
    );
  }

  snapshot(from: Committed = this.committed): Snapshot {
    const layout = layoutOf('/unit', STORAGES, 15);
    return {
      event: { ...EVENT, ...this.event },
      model: { name: 'test', uuid: '00000000-0000-4000-8000-000000000000' },
      app: 'postgresql',
      unit: {
        name: 'postgresql/0',
        number: 0,
        member: 'postgresql-0',
        isLeader: this.isLeader,
        address: ADDRESS,
        clientAddress: ADDRESS,
        egress: [`${ADDRESS}/32`],
        dying: this.dying,
      },
      machine: MACHINE,
      options: optionsOf(this.config, this.named),
      named: this.named,
      peers: {
        relationId: 0,
        app: { ...from.app },
        keptApp: { ...this.committed.app },
        own: { ...from.own },
        others: this.others,
        planned: this.planned,
        leaving: this.leaving,
      },
      appSecret: secret(from.appSecret),
      unitSecret: secret(from.unitSecret),
      systemUsers: this.systemUsers,
      certificate:
        from.unitSecret === undefined ? undefined : { addresses: from.certified, trusted: true },
      certificates: NO_CERTIFICATES,
      ...{ relationSecrets: {}, grantedSecrets: {} },
      relations: [],
      openedPorts: from.ports,
      storages: STORAGES,
      data: this.data,
      services: this.services,
      supervised: this.supervised,
      files: this.files,
      directories: this.directories,
      layout,
      program: {
        agentRevision: 'r1',
        agentCopies: this.copies,
        node: '/usr/bin/node',
        wake: ['juju-exec', 'postgresql/0', './dispatch'],
      },
      agent: this.#agent(layout.etcdConfig),
    };
  }

  #agent(etcdConfig: string): Snapshot['agent'] {
    if (this.services['agent']?.running !== true) return unknown('no agent runs');
    const founded = this.services['etcd']?.running === true && this.files[etcdConfig] !== undefined;
    const initialized = this.elsewhere?.initialized ?? this.data.systemIdentifier;
    const view: AgentWorld = {
      generation: this.generation,
      revision: 'r1',
      etcd: founded ? known({ members: [this.#voter()], leader: 'postgresql-0' }) : unknown('down'),
      cluster:
        founded || this.elsewhere !== undefined
          ? known({
              initialized: this.founding ? undefined : initialized,
              founding: this.founding,
              members: [...(this.elsewhere?.members ?? []), ...this.#self()],
              dynamic: this.dynamic,
              paused: false,
              failsafe: false,
            })
          : unknown('etcd is down'),
      database: unknown('not asked'),
      local: unknown('not asked'),
      pooler: unknown('not asked'),
      peers: {},
      jobs: [],
      work: undefined,
      backup: unknown('not asked'),
    };
    return known(view);
  }

  #voter() {
    return {
      id: '1',
      name: 'postgresql-0',
      peerUrl: peerUrl(ADDRESS),
      learner: false,
      healthy: true,
      silentMs: 0,
      inSync: true,
    };
  }

  #self(): ClusterMember[] {
    if (this.data.systemIdentifier === undefined) return [];
    if (this.services['patroni']?.running !== true) return [];
    return [
      {
        name: 'postgresql-0',
        address: ADDRESS,
        role: this.elsewhere === undefined ? 'primary' : 'sync-standby',
        state: 'running',
        timeline: 1,
        lagBytes: 0,
        streaming: this.elsewhere !== undefined,
        pendingRestart: false,
        tags: {},
      },
    ];
  }

  #service(name: string, change: Partial<ServiceFacts>): void {
    const old = this.services[name];
    if (old !== undefined) this.services[name] = { ...old, ...change };
  }

  #start(name: string, once: boolean): void {
    const state = once ? { once, running: this.supervised } : { wantedUp: true, once: false };
    if (once && this.services[name]?.once) this.founding = false;
    this.#service(name, { ...state, ...(name === 'patroni' ? this.#noted() : {}) });
  }

  #noted(): Partial<ServiceFacts> {
    const text = this.files[this.snapshot().layout.patroniConfig];
    if (text === undefined) return {};
    return { loaded: digestOf(text), startedWith: etcdHostsOf(text), noted: [] };
  }

  /** What each step does to this object. */
  protected effects(): Effects {
    return {
      'create-directories': ({ paths }) => {
        for (const { path, mode, owner } of directoryWishes(this.snapshot().layout)) {
          if (!paths.includes(path)) continue;
          this.directories = { ...this.directories, [path]: { mode, uid: UID[owner] } };
        }
      },
      'create-app-secret': ({ fields }, pending) => {
        const made = fields.map((field) => [field, `secret of ${field}`]);
        pending.appSecret = { ...pending.appSecret, ...Object.fromEntries(made) };
      },
      'rotate-passwords': ({ users }, pending) => {
        const given = users.map((user) => [`${user}-password`, this.systemUsers?.[user] ?? '']);
        pending.appSecret = { ...pending.appSecret, ...Object.fromEntries(given) };
      },
      'keep-identity': ({ identifier }, pending) => {
        pending.appSecret = { ...pending.appSecret, 'system-identifier': identifier };
      },
      'issue-certificate': ({ addresses }, pending) => {
        pending.unitSecret = { 'internal-cert': 'certificate', 'internal-key': 'secret key' };
        pending.certified = addresses;
      },
      'peer-set': ({ scope, data }, pending) => set(pending[scope === 'app' ? 'app' : 'own'], data),
      'open-ports': ({ ports }, pending) => {
        pending.ports = ports.map((port) => `${port}/tcp`);
      },
      'write-file': ({ path, content }) => {
        this.files = { ...this.files, [path]: content.reveal() };
      },
      'install-agent': ({ revision }) => {
        this.copies = [revision];
      },
      'define-service': ({ name, spec }) => {
        const down = { running: false, wantedUp: false, once: false, loaded: undefined };
        const fresh = { ...down, startedWith: [], noted: [], learnt: [] };
        this.services[name] = { ...fresh, ...this.services[name], spec };
      },
      'start-supervisor': () => Object.assign(this, { supervised: true }),
      'start-service': ({ name, once }) => this.#start(name, once === true),
      'keep-service': ({ name }) => this.#service(name, { wantedUp: true, once: false }),
      'forget-founding': () => Object.assign(this, { founding: false }),
      'set-data-aside': () => {
        this.data = { ...this.data, systemIdentifier: undefined, debris: false };
      },
      'stop-service': ({ name }) => this.#service(name, { wantedUp: false, running: false }),
      'reload-service': ({ name, digest }) => this.#service(name, { loaded: digest }),
      'restart-service': ({ name }) => this.#service(name, this.#noted()),
      'leave-cluster': () => {
        this.left = true;
      },
      'remove-workload': () => {
        this.removed = true;
        this.services = {};
      },
      'remove-etcd-data': () => {
        this.data = { ...this.data, etcdMember: false };
        const { [this.snapshot().layout.etcdConfig]: _, ...rest } = this.files;
        this.files = rest;
      },
      'patch-dynamic': () => {
        const options = validOptions(this.snapshot());
        if (options !== undefined) this.dynamic = dynamicConfig(this.snapshot(), options);
      },
      'apply-desired': ({ generation }) => {
        this.generation = generation;
      },
    };
  }

  /** The real lanes and priorities, with effects on this object. */
  #table(): StepTable<Steps, Committed> {
    const effects = this.effects();
    const entries = Object.entries(postgresql.steps).map(([kind, family]) => {
      const effect = effects[kind as keyof Steps] as
        | ((args: unknown, pending: Committed) => void)
        | undefined;
      const apply = async (args: unknown, pending: Committed) => {
        if (effect === undefined) throw new Error(`this world knows no ${kind}`);
        effect(args, pending);
        return undefined;
      };
      return [kind, { ...family, apply }];
    });
    return Object.fromEntries(entries);
  }
}

const secret = (content: Bag | undefined) => content && { id: 'secret:1', content };

const UID = { servers: 101, charm: 0 };

function set(bag: Bag, data: Record<string, string | undefined>): void {
  for (const [key, value] of Object.entries(data)) {
    if (value === undefined) delete bag[key];
    else bag[key] = value;
  }
}

/** What the leader has made for an application whose first unit is elsewhere. */
export function joining(): UnitWorld {
  const world = new UnitWorld();
  const leader = '10.0.0.11';
  world.isLeader = false;
  world.planned = ['postgresql/0', 'postgresql/1'];
  const data = { ip: leader, 'database-address': leader, 'egress-subnets': `${leader}/32` };
  world.others = [{ name: 'postgresql/1', data, dying: false }];
  const made = SECRET_FIELDS.map((field) => [field, `secret of ${field}`]);
  world.committed.appSecret = Object.fromEntries(made);
  world.committed.app = { 'etcd-endpoints': clientUrl(leader), 'etcd-epoch': '1' };
  return world;
}

/**
 * Several units of the charm, each event of which runs the real deciders through the real driver,
 * around one simulated etcd and PostgreSQL; time passes only when told. What must never be is
 * checked after every step and throws a Violation.
 */
import { isStep, type Step } from '../../lib/charm/decision.ts';
import { decide, reconcile } from '../../lib/charm/reconcile.ts';
import { postgresql } from '../../src/charm/charm.ts';
import { serviceSpec } from '../../src/charm/decide/services.ts';
import type { Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Decision, ServiceName, Steps } from '../../src/charm/model/steps.ts';
import type { SimEtcd, SimMember } from './cluster-etcd.ts';
import { etcdTurn, patroniTurn } from './cluster-patroni.ts';
import { type Hook, stepTable } from './cluster-steps.ts';
import { type Bag, SimUnit } from './cluster-unit.ts';
import { look, type Pending, snapshotOf } from './cluster-view.ts';
import type { SimWitness } from './cluster-witness.ts';

export class Violation extends Error {}

class Killed extends Error {}

const SLICE_MS = 5000;
const LEASE_MS = 60_000;
const SERVICES: readonly ServiceName[] = ['agent', 'patroni', 'pgbouncer', 'etcd', 'pgbackrest'];
const nothing = (): Pending => ({
  ...{ app: {}, own: {}, appSecret: undefined, certified: undefined },
  ...{ offer: {}, witnessSecret: undefined },
});

export class ClusterWorld {
  readonly model = '00000000-0000-4000-8000-000000000000';
  readonly random: () => number;
  now = 1_000_000;
  units: SimUnit[] = [];
  readonly etcds: SimEtcd[] = [];
  /** System identifiers of every database that was ever made. */
  readonly identifiers = new Set<string>();
  leader: SimUnit | undefined;
  leaseUntil = 0;
  app: Bag = {};
  appSecret: Bag | undefined;
  /** Beside the units; most clusters have none. */
  witness: SimWitness | undefined;
  offer: Bag = {};
  witnessSecret: Bag | undefined;
  /** Nothing is late and nothing interferes any more. */
  calm = false;
  /** What has happened, the last at the end. */
  readonly log: string[] = [];
  /** Units whose hook runs now. */
  readonly busy = new Set<SimUnit>();
  /** Called whenever an event looks again; may do anything but to units that are busy. */
  interfere: () => Promise<void> = async () => {};
  readonly #table = stepTable();
  #nextUnit = 0;

  constructor(random: () => number) {
    this.random = random;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  note(line: string): void {
    this.log.push(`${String((this.now - 1_000_000) / 1000).padStart(7)} s  ${line}`);
  }

  violation(what: string): never {
    this.note(`VIOLATION: ${what}`);
    throw new Violation(what);
  }

  unit(name: string): SimUnit | undefined {
    return this.units.find((unit) => unit.name === name);
  }

  /** A unit whose machine is prepared: what remains is what the cluster is about. */
  addUnit(): SimUnit {
    const unit = new SimUnit(this.#nextUnit++);
    this.units = [...this.units, unit];
    this.leader ??= unit;
    const snapshot = this.snapshot(unit);
    for (const name of SERVICES) {
      const fresh = {
        running: false,
        wantedUp: false,
        once: false,
        loaded: undefined,
        startedWith: [],
        noted: [],
        learnt: [],
      };
      const spec = serviceSpec(name, snapshot);
      unit.services = { ...unit.services, [name]: { ...fresh, spec } };
    }
    this.note(`${unit.name} is added`);
    return unit;
  }

  snapshot(unit: SimUnit, event = 'update-status', pending = nothing()): Snapshot {
    return snapshotOf(this, unit, { event, pending });
  }

  look(unit: SimUnit): void {
    look(this, unit);
  }

  /** Everything that waits to be heard is heard now. */
  hear(unit: SimUnit, from: SimUnit): void {
    if (from === unit) unit.heardApp = { ...this.app };
    else if (from.life === 'gone') unit.heard.delete(from.name);
    else unit.heard.set(from.name, { ...from.own, 'egress-subnets': `${from.address}/32` });
  }

  isAlive(etcd: SimEtcd, member: SimMember): boolean {
    const all = [...this.units, ...(this.witness === undefined ? [] : [this.witness])];
    return all.some(
      ({ etcd: at, etcdRuns }) => etcdRuns && at?.cluster === etcd && at.memberId === member.id,
    );
  }

  hasMajority(etcd: SimEtcd): boolean {
    return etcd.hasMajority((member) => this.isAlive(etcd, member));
  }

  /** The etcd whose voter runs at one of these client URLs. */
  etcdAt(urls: readonly string[]): SimEtcd | undefined {
    const at = this.units.find(({ clientUrl, etcd, etcdRuns }) => {
      const isVoter = etcd?.cluster.voters.some(({ id }) => id === etcd.memberId);
      return urls.includes(clientUrl) && etcdRuns && isVoter;
    });
    return at?.etcd?.cluster;
  }

  /** The etcd that answers this unit's Patroni. */
  etcdOf(unit: SimUnit): SimEtcd | undefined {
    const etcd = this.etcdAt(unit.hosts);
    return etcd !== undefined && this.hasMajority(etcd) ? etcd : undefined;
  }

  /** Another has been founded after it was lost. */
  isReplaced(etcd: SimEtcd | undefined): boolean {
    return etcd !== undefined && this.etcds.some(({ serial }) => serial > etcd.serial);
  }

  streamingFrom(primary: SimUnit): SimUnit[] {
    return this.units.filter(
      (unit) =>
        unit !== primary &&
        unit.runs('patroni') &&
        unit.pg.alive &&
        unit.pg.role === 'replica' &&
        unit.pg.systemIdentifier === primary.pg.systemIdentifier,
    );
  }

  /** Time passes: etcd, Patroni and PostgreSQL of every unit do what they do by themselves. */
  pass(ms: number): void {
    for (let rest = ms; rest > 0; rest -= SLICE_MS) {
      this.now += Math.min(rest, SLICE_MS);
      for (const unit of this.units) etcdTurn(this, unit);
      this.witness?.turn(this);
      for (const unit of this.units) patroniTurn(this, unit);
      this.#keepLease();
      this.#check();
    }
  }

  /** A leader whose agent cannot say so leads until its lease has run out. */
  #keepLease(): void {
    if (this.leader?.powered === true) this.leaseUntil = this.now + LEASE_MS;
    else if (this.now >= this.leaseUntil) this.lead();
  }

  /** Another unit leads, if there is one that can. */
  lead(): void {
    const able = this.units.filter((unit) => unit.powered && unit.life === 'alive');
    const next = able[this.below(able.length)];
    if (next === undefined || next === this.leader) return;
    this.leader = next;
    this.leaseUntil = this.now + LEASE_MS;
    this.note(`${next.name} leads`);
  }

  /** PostgreSQL is created: the one thing that must never happen twice. */
  begins(unit: SimUnit): void {
    const present = this.units.some(({ life, pg }) => life !== 'gone' && pg.whole);
    this.note(`${unit.name} runs initdb`);
    if (present) this.violation(`${unit.name} runs initdb although another unit holds data`);
    if (this.app['system-identifier'] !== undefined) {
      this.violation(`${unit.name} runs initdb although there was a database before`);
    }
  }

  /** A switchover to the standby that has confirmed everything, if there is one. */
  handOver(unit: SimUnit): void {
    const dcs = this.etcdOf(unit)?.dcs;
    if (dcs?.leader?.member !== unit.member || !unit.isWritable) return;
    const standbys = this.streamingFrom(unit);
    const to = standbys.find(({ member }) => dcs.sync.includes(member)) ?? standbys[0];
    if (to === undefined) return;
    this.note(`${unit.name} hands over to ${to.name}`);
    unit.pg.role = 'replica';
    to.pg.position = unit.pg.position;
    dcs.sync = [to.member];
    dcs.leader = { member: to.member, until: this.now + 30_000 };
    this.pass(1000);
  }

  /**
   * One event on one unit.
   *
   * @param dieBefore number of the step before which the process is killed
   * @returns how many steps were carried out
   */
  async event(unit: SimUnit, name: string, dieBefore = Number.POSITIVE_INFINITY): Promise<number> {
    if (!unit.powered || unit.life === 'gone' || this.busy.has(unit)) return 0;
    const key = this.#keyOf(unit, name);
    if (key === unit.idleKey) return 0;
    const pending = nothing();
    const hook: Hook = { world: this, unit, pending, seen: this.snapshot(unit, name, pending) };
    let count = 0;
    this.busy.add(unit);
    try {
      const outcome = await reconcile<Snapshot, Steps, Hook>({
        observe: async () => {
          if (count > 0) {
            await this.interfere();
            if (this.calm || this.chance(0.7)) this.look(unit);
          }
          hook.seen = this.snapshot(unit, name, pending);
          return hook.seen;
        },
        deciders: postgresql.deciders,
        steps: this.#table,
        tools: hook,
        onStep: (step) => {
          if (count++ === dieBefore) throw new Killed();
          this.#noteStep(unit, name, step);
          if (/secret (of|key)/.test(step.why)) this.violation(`a secret in: ${step.why}`);
        },
      });
      for (const { step, error } of outcome.failed) {
        if (error instanceof Violation) throw error;
        this.note(`  ${unit.name}: ${step.kind} failed: ${error}`);
      }
      if (/secret (of|key)/.test(JSON.stringify(outcome.findings))) {
        this.violation(`a secret in the findings of ${unit.name}`);
      }
      this.#commit(unit, pending);
      if (count === 0) unit.idleKey = key;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.note(`  ${unit.name}: the hook dies`);
    } finally {
      this.busy.delete(unit);
    }
    this.#check();
    return count;
  }

  /** What an action decided is carried out. */
  async act(unit: SimUnit, decisions: readonly Decision[]): Promise<void> {
    const pending = nothing();
    const hook: Hook = { world: this, unit, pending, seen: this.snapshot(unit) };
    for (const { kind, args } of decisions.filter(isStep)) {
      this.note(`  ${unit.name} action: ${kind}`);
      await this.#table[kind].apply(args as never, hook);
    }
    this.#commit(unit, pending);
  }

  /** Steps that the unit would take now. */
  plan(unit: SimUnit): string[] {
    const steps = decide(postgresql.deciders, this.snapshot(unit)).filter(isStep);
    return steps.map(({ kind, why }) => `${unit.name}: ${kind} (${why})`);
  }

  #noteStep(unit: SimUnit, event: string, { kind, args, why }: Step<Steps>): void {
    const { path = '' } = args as { path?: string };
    // The etcd and Patroni of a unit are what this is about.
    if (kind === 'write-file' && !/(etcd|patroni).yaml|desired.json/.test(path)) return;
    const shown = path.split('/').at(-1) || JSON.stringify(args);
    this.note(`  ${unit.name} ${event}: ${String(kind)} ${shown.slice(0, 140)} (${why})`);
  }

  #commit(unit: SimUnit, pending: Pending): void {
    const { app, own, appSecret, certified, offer, witnessSecret } = pending;
    const said = Object.keys({ ...app, ...offer }).length > 0;
    const isForApp = said || appSecret !== undefined || witnessSecret !== undefined;
    if (isForApp && this.leader !== unit) {
      this.note(`  ${unit.name}: its leadership is lost, so is what it wrote`);
      return;
    }
    const before = this.appSecret?.['system-identifier'];
    assign(this.app, app);
    assign(this.offer, offer);
    this.witnessSecret = witnessSecret ?? this.witnessSecret;
    assign(unit.own, own);
    const now = this.app['system-identifier'] ?? this.appSecret?.['system-identifier'];
    if (before !== undefined && before !== now) {
      this.violation('the system identifier has changed');
    }
    this.appSecret = appSecret ?? this.appSecret;
    unit.certified = certified ?? unit.certified;
  }

  /** Everything an event of this unit decides by, as text. */
  #keyOf(unit: SimUnit, name: string): string {
    const staying = this.units.map(({ life }) => life);
    const stage = name === 'stop' || name === 'remove' ? name : '';
    const said = [this.leader === unit, this.app, this.appSecret !== undefined, unit.certified];
    const heard = [[...unit.heard], unit.heardApp, unit.own, staying, stage, unit.life];
    const { systemIdentifier, debris, cloneUntil, initUntil } = unit.pg;
    const { witness } = this;
    const beside = witness && [witness.related, witness.heard, this.offer, this.witnessSecret];
    const rest = debris || cloneUntil !== undefined || initUntil !== undefined;
    const disk = [unit.filesVersion, systemIdentifier, rest, unit.etcdDirectory];
    const runs = [
      unit.services,
      unit.supervised,
      unit.configured,
      unit.noted,
      unit.learnt(this.now),
    ];
    return JSON.stringify([said, heard, disk, runs, unit.view?.world, beside]);
  }

  #check(): void {
    for (const etcd of this.etcds) {
      const writable = this.units.filter((unit) => unit.isWritable && unit.pg.dcs === etcd);
      if (writable.length > 1) {
        this.violation(`${writable.map(({ name }) => name).join(' and ')} both accept writes`);
      }
    }
  }
}

function assign(bag: Bag, changes: Record<string, string | undefined>): void {
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete bag[key];
    else bag[key] = value;
  }
}

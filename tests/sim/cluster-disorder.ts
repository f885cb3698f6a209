/**
 * Breaks a simulated cluster at random, and brings it to rest. What
 * no cluster can undo it leaves out: the last copy of the data is never taken away.
 */
import { promoteToPrimary } from '../../src/charm/actions/promote-to-primary.ts';
import { voterCount } from '../../src/charm/decide/voters.ts';
import type { SimUnit } from './cluster-unit.ts';
import type { ClusterWorld } from './cluster-world.ts';

const EVENTS = ['update-status', 'agent-notified', 'config-changed', 'relation-changed'];
const MAX_UNITS = 7;

export class Disorder {
  readonly world: ClusterWorld;
  #inside = false;

  constructor(world: ClusterWorld) {
    this.world = world;
    world.interfere = () => this.#interfere();
  }

  /** Something happens somewhere. */
  async step(): Promise<void> {
    const { world } = this;
    const dice = world.random();
    if (dice < 0.62) await this.#someEvent();
    else if (dice < 0.76) world.pass(500 + world.below(15_000));
    else if (dice < 0.79) world.pass(60_000 + world.below(400_000));
    else if (dice < 0.81) await this.#kill();
    else if (dice < 0.815) this.#wipe();
    else if (dice < 0.86) this.#power();
    else if (dice < 0.91) world.lead();
    else if (dice < 0.95) this.#grow();
    else await this.#shrink();
  }

  /** Between two looks of a hook, others act and time passes. */
  async #interfere(): Promise<void> {
    const { world } = this;
    if (world.calm || this.#inside || !world.chance(0.25)) return;
    this.#inside = true;
    await this.step();
    this.#inside = false;
  }

  async #someEvent(): Promise<void> {
    const { world } = this;
    const unit = this.#pick((each) => each.powered && each.life !== 'gone');
    if (unit === undefined) return;
    this.hearSome(unit);
    if (world.chance(0.7)) world.look(unit);
    if (unit.life === 'dying') return this.#lastEvents(unit);
    const dieBefore = world.chance(0.15) ? world.below(8) : undefined;
    await world.event(unit, EVENTS[world.below(EVENTS.length)] ?? 'update-status', dieBefore);
  }

  /** Sometimes all of it, sometimes some of it, in no order. */
  hearSome(unit: SimUnit): void {
    const { world } = this;
    const all = world.calm || world.chance(0.6);
    for (const from of world.units) if (all || world.chance(0.5)) world.hear(unit, from);
  }

  /** Hooks of a unit that leaves, until it is gone. */
  async #lastEvents(unit: SimUnit): Promise<void> {
    const { world } = this;
    // Here another unit's hook stands still, which it does for no quarter of an hour.
    if (this.#inside && this.#holdsAlone(unit)) return;
    // The first thing that the agent of a leaving unit does.
    if (world.leader === unit) world.lead();
    await world.event(unit, 'database-peers-relation-departed');
    if (!world.calm && world.chance(0.3)) return;
    await world.event(unit, 'stop');
    await world.event(unit, 'remove');
    this.#forget(unit);
  }

  #forget(unit: SimUnit): void {
    if (this.world.busy.has(unit)) return;
    unit.powerOff();
    unit.life = 'gone';
    this.world.note(`${unit.name} is gone`);
    if (this.world.leader === unit) this.world.lead();
  }

  #power(): void {
    const unit = this.#pick((each) => each.life !== 'gone' && !this.world.busy.has(each));
    if (unit === undefined) return;
    if (unit.powered && (this.#isAwaited(unit) || !this.mayLose())) return;
    if (unit.powered) unit.powerOff();
    else unit.powered = true;
    this.world.note(`${unit.name} is powered ${unit.powered ? 'on' : 'off'}`);
  }

  /** Somebody removes what the cluster is known by, where it is known in another place, too. */
  #wipe(): void {
    const { world } = this;
    const { app, appSecret } = world;
    if (app['system-identifier'] === undefined || appSecret?.['system-identifier'] === undefined) {
      return;
    }
    if (world.chance(0.5)) {
      world.app = {};
      world.note('the databag of the application is wiped');
      return;
    }
    for (const { dcs } of world.etcds) {
      dcs.initialize = undefined;
      dcs.leader = undefined;
    }
    world.note("Patroni's keys are wiped");
  }

  async #kill(): Promise<void> {
    const unit = this.#pick((each) => each.runs('patroni') && !this.world.busy.has(each));
    if (unit === undefined) return;
    unit.killPatroni(this.world.now);
    this.world.note(`Patroni of ${unit.name} is killed`);
    if (unit.runs('patroni')) return;
    // It ran a single time, and nobody starts it but the charm, which its agent wakes at once.
    this.world.look(unit);
    await this.world.event(unit, 'agent-notified');
  }

  #grow(): void {
    const { world } = this;
    if (world.units.filter(({ life }) => life === 'alive').length < MAX_UNITS) world.addUnit();
  }

  async #shrink(): Promise<void> {
    const { world } = this;
    const unit = this.#pick((each) => each.life === 'alive' && !world.busy.has(each));
    if (unit === undefined || !this.#isSpare(unit) || !this.mayShrink()) return;
    unit.life = 'dying';
    world.note(`${unit.name} is to be removed`);
    if (!unit.powered && world.chance(0.5)) this.#forget(unit);
  }

  /** The others have everything that this unit has, or it can still give it to them. */
  #isSpare(unit: SimUnit): boolean {
    const { world } = this;
    const others = world.units.filter((each) => each !== unit && each.life === 'alive');
    const etcd = world.etcds.at(-1);
    if (others.length === 0) return false;
    if (world.identifiers.size === 0 || etcd === undefined) return true;
    const { sync } = etcd.dcs;
    const holds = ({ pg, member }: SimUnit) =>
      pg.whole && (sync.length === 0 || sync.includes(member));
    if (world.app['system-identifier'] === undefined) return false;
    return others.some(holds) || this.#givesBeforeItLeaves(unit, others);
  }

  /** The only data are on a unit that leaves and waits until this one has cloned them. */
  #isAwaited({ life }: SimUnit): boolean {
    return life === 'alive' && this.world.units.some((each) => this.#holdsAlone(each));
  }

  /** It leaves with data that no unit that stays has. */
  #holdsAlone({ life, pg }: SimUnit): boolean {
    const { units } = this.world;
    return (
      life === 'dying' && pg.whole && !units.some((each) => each.life === 'alive' && each.pg.whole)
    );
  }

  /** It is the primary, and somebody is there to clone from it. */
  #givesBeforeItLeaves(unit: SimUnit, others: readonly SimUnit[]): boolean {
    return unit.isWritable && unit.runs('patroni') && others.some((each) => each.runs('patroni'));
  }

  #pick(isMeant: (unit: SimUnit) => boolean): SimUnit | undefined {
    const meant = this.world.units.filter(isMeant);
    return meant[this.world.below(meant.length)];
  }

  /** One orderly round over all units. @returns how many steps were carried out */
  async round(): Promise<number> {
    const { world } = this;
    let steps = 0;
    for (const unit of world.units) {
      if (unit.life === 'gone') continue;
      this.hearSome(unit);
      world.look(unit);
      if (unit.life === 'dying') await this.#lastEvents(unit);
      else steps += await world.event(unit, 'update-status');
    }
    world.pass(5000);
    return steps;
  }

  /** No fault happens any more; an operator does what only he can. @throws when it does not rest */
  async settle(rounds: number): Promise<void> {
    const { world } = this;
    world.note('--- calm ---');
    world.calm = true;
    for (const unit of world.units) if (unit.life !== 'gone') unit.powered = true;
    if (world.leader?.life !== 'alive') world.lead();
    for (let round = 0; round < rounds; round++) {
      const steps = await this.round();
      if (steps === 0 && this.unrest().length === 0) return;
      if (round % 20 === 19) await this.#operate();
    }
    world.violation(`it does not come to rest:\n${this.unrest().join('\n')}`);
  }

  /** When etcd is lost with units that are gone: the unit that has the most is told to go on. */
  async #operate(): Promise<void> {
    const { world } = this;
    const etcd = world.etcds.at(-1);
    if (world.units.some((unit) => unit.life === 'alive' && world.etcdOf(unit))) return;
    if (etcd !== undefined && world.hasMajority(etcd)) {
      world.violation(`etcd ${etcd.serial} lives, and no Patroni finds it`);
    }
    const sync = etcd?.dcs.sync ?? [];
    const isSync = ({ member }: SimUnit) => Number(sync.includes(member));
    const best = world.units
      .filter(({ life, pg }) => life === 'alive' && pg.systemIdentifier !== undefined)
      .toSorted((a, b) => isSync(b) - isSync(a) || b.pg.position - a.pg.position)[0];
    if (best === undefined) return;
    const answer = promoteToPrimary.plan(world.snapshot(best), { force: true });
    if (answer.accepted) await world.act(best, answer.steps);
    else world.note(`  ${best.name} action refused: ${answer.message}`);
  }

  /** Whether a unit may lose its power now. */
  mayLose(): boolean {
    return true;
  }

  /** Whether a unit may be removed now. */
  mayShrink(): boolean {
    return true;
  }

  /** How many voters so many units have. */
  voters(units: number): number {
    return voterCount(units);
  }

  /** What is not yet as it should be at the end. */
  unrest(): string[] {
    const { world } = this;
    const alive = world.units.filter(({ life }) => life === 'alive');
    const etcd = world.etcds.at(-1);
    if (etcd === undefined) return ['there is no etcd'];
    const said = alive.flatMap((unit) => world.plan(unit));
    for (const unit of alive) {
      if (world.etcdOf(unit) !== etcd) said.push(`Patroni of ${unit.name} has no etcd`);
      if (!unit.pg.alive || unit.pg.systemIdentifier !== etcd.dcs.initialize) {
        said.push(`PostgreSQL of ${unit.name} is no member`);
      }
    }
    const primaries = alive.filter((unit) => unit.isWritable);
    if (primaries.length !== 1) said.push(`${primaries.length} accept writes`);
    const held = alive.filter((unit) => unit.etcdRuns && unit.etcd?.cluster === etcd);
    const wanted = this.voters(alive.length);
    const running = etcd.voters.filter((voter) => world.isAlive(etcd, voter));
    if (
      running.length !== wanted ||
      etcd.members.length !== wanted ||
      etcd.voters.length !== wanted
    ) {
      const names = etcd.members.map(({ name, learner }) => (learner ? `(${name})` : name));
      said.push(`${wanted} voters are wanted: ${names.join(' ')}`);
    }
    if (wanted === 1 && held[0] !== primaries[0]) said.push('the voter is not beside the primary');
    return said;
  }
}

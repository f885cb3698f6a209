/**
 * The same disorder as in cluster.test.ts with a witness beside the units, whose own charm decides
 * for it: it loses power, hears late, is taken away and comes back. At the end two units have three
 * voters, and any other number has those that it would have without.
 *
 * `PGCHARM_SIM_SEED=17` replays one seed and prints all that happens.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { voterCount } from '../../src/charm/decide/voters.ts';
import { Disorder } from './cluster-disorder.ts';
import type { SimUnit } from './cluster-unit.ts';
import { SimWitness } from './cluster-witness.ts';
import type { ClusterWorld } from './cluster-world.ts';
import { onlySeed, playSeed } from './replay.ts';

const STEPS = 45;
const ROUNDS = 120;
const GROUP = 20;
const count = Number(process.env['PGCHARM_SIM_SEEDS'] ?? '60');

class WitnessedDisorder extends Disorder {
  readonly witness: SimWitness;

  constructor(world: ClusterWorld, witness: SimWitness) {
    super(world);
    this.witness = witness;
    world.witness = witness;
  }

  override async step(): Promise<void> {
    const { world, witness } = this;
    if (!world.chance(0.2)) return super.step();
    const dice = world.random();
    if (dice < 0.6) this.#event();
    else if (dice < 0.85) this.#power();
    else this.#relate(!witness.related);
  }

  #event(): void {
    const { world, witness } = this;
    if (world.calm || world.chance(0.7)) witness.offer = { ...world.offer };
    const dies = !world.calm && world.chance(0.15);
    witness.event(world, dies ? world.below(6) : undefined);
  }

  #power(): void {
    const { world, witness } = this;
    if (witness.powered) witness.powerOff();
    else witness.powered = true;
    world.note(`${witness.name} is powered ${witness.powered ? 'on' : 'off'}`);
  }

  #relate(related: boolean): void {
    const { world, witness } = this;
    witness.related = related;
    for (const bag of ['own', 'heard', 'offer'] as const) witness[bag] = {};
    world.offer = {};
    world.witnessSecret = undefined;
    world.note(`the witness is ${related ? '' : 'no longer '}related`);
  }

  override hearSome(unit: SimUnit): void {
    super.hearSome(unit);
    const { world, witness } = this;
    if (!world.calm && !world.chance(0.7)) return;
    witness.heard = { ...witness.own, 'egress-subnets': `${witness.address}/32` };
  }

  override async round(): Promise<number> {
    this.witness.powered = true;
    this.#event();
    return super.round();
  }

  /**
   * Beside a witness also a unit that leaves is promoted when the other is lost, and then goes
   * with the last copy of what was written since: nobody can undo that.
   */
  override mayLose(): boolean {
    return !this.world.units.some(({ life }) => life === 'dying');
  }

  override mayShrink(): boolean {
    return this.world.units.every(({ life, powered }) => life === 'gone' || powered);
  }

  override voters(units: number): number {
    return units === 2 && this.witness.related ? 3 : voterCount(units);
  }

  override unrest(): string[] {
    const { world, witness } = this;
    const said = super.unrest();
    const alive = world.units.filter(({ life }) => life === 'alive').length;
    const votes = world.etcds.at(-1)?.voters.some(({ id }) => id === witness.etcd?.memberId);
    const shall = alive === 2 && witness.related;
    if (shall !== (votes === true)) said.push(`the witness ${shall ? 'does not vote' : 'votes'}`);
    if (!shall && witness.state.hasData) said.push('the witness keeps data');
    return said;
  }
}

const run = (seed: number) =>
  playSeed(seed, async (world) => {
    const witness = new SimWitness();
    const disorder = new WitnessedDisorder(world, witness);
    witness.related = world.chance(0.8);
    const units = world.chance(0.7) ? 2 : 1 + world.below(4);
    for (let n = 0; n < units; n++) world.addUnit();
    if (world.chance(0.8)) await disorder.settle(ROUNDS);
    world.calm = false;
    for (let step = 0; step < STEPS; step++) await disorder.step();
    await disorder.settle(ROUNDS);
  });

describe('a cluster with a witness under disorder', () => {
  if (onlySeed !== undefined) {
    test(`seed ${onlySeed}`, async (t) => {
      t.diagnostic((await run(Number(onlySeed))).log.join('\n'));
    });
    return;
  }
  for (let first = 1; first <= count; first += GROUP) {
    const last = Math.min(first + GROUP - 1, count);
    test(`seeds ${first} to ${last}`, async () => {
      let votes = 0;
      for (let seed = first; seed <= last; seed++) {
        const { witness } = await run(seed);
        votes += witness?.etcd === undefined ? 0 : 1;
      }
      assert.ok(votes > 0, 'no witness has ever had a vote at the end');
    });
  }
});

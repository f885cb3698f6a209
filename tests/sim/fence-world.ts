/**
 * A cluster whose members lose power, are cut off and stall, with an agent on each that fences a
 * silent primary by the real decision. What must never be throws a Violation: a row that was
 * acknowledged and is not in the history of whoever accepts writes, and a live primary whose lease
 * is taken after an honest proof.
 */
import { fencing } from '../../src/agent/decide/fence.ts';
import { FenceEtcd, type Guard } from './fence-etcd.ts';
import { Member, PREFIX } from './fence-member.ts';

export class Violation extends Error {}

/** As in src/agent/fence/keeper.ts. */
const TURN_MS = 3000;
const TURN = '/pgcharm/db/fence';
/** From power to Patroni's first question: longer than a turn. */
const BOOT_MS = 4000;

export interface Rules {
  units: number;
  /** Whether the fence command tells the truth. */
  honest: boolean;
  /** Whether primaries wait for standbys; the key always says so. */
  strict: boolean;
  /** Whether keys go only as they were read. */
  guarded: boolean;
  /** Whether the lease itself is revoked, too, and not only its keys removed. */
  revokes: boolean;
}

interface Attempt {
  target: Member;
  turn: number;
  lease: number;
  guards: Guard[];
  removals: string[];
  proven: boolean;
}

export class FenceWorld {
  readonly etcd = new FenceEtcd();
  readonly members: Member[];
  readonly acknowledged = new Set<number>();
  fences = 0;
  promotions = 0;
  readonly log: string[] = [];
  readonly #rules: Rules;
  readonly #random: () => number;
  readonly #attempts = new Map<Member, Attempt>();
  #rows = 0;

  constructor(rules: Rules, random: () => number) {
    this.#rules = rules;
    this.#random = random;
    this.members = Array.from({ length: rules.units }, (_, n) => new Member(`db-${n}`));
    const config = { synchronous_mode: true, synchronous_mode_strict: true };
    this.etcd.put(`${PREFIX}config`, JSON.stringify(config));
    this.etcd.put(`${PREFIX}sync`, JSON.stringify({ leader: 'db-0', sync_standby: null }));
  }

  /** Something happens somewhere. */
  step(): void {
    const member = this.members[this.#below(this.members.length)];
    const other = this.members[this.#below(this.members.length)];
    if (member === undefined || other === undefined) return;
    const dice = this.#random();
    if (dice < 0.4) this.#patroni(member);
    else if (dice < 0.6) this.#agent(member);
    else if (dice < 0.68) this.#write(member);
    else if (dice < 0.82) other.receive(member);
    else if (dice < 0.98) this.#pass(this.#below(1000));
    else if (dice < 0.983) this.#pass(20_000);
    else if (dice < 0.994) this.#power(this.#oneToBreak(member, ({ powered }) => !powered));
    else this.#cut(this.#oneToBreak(member, ({ cut }) => cut));
    this.#acknowledge();
  }

  /** Everybody is there, and time passes, until one leads and is followed by all others. */
  settle(): void {
    for (const member of this.members) {
      member.powered = true;
      member.cut = false;
    }
    for (let round = 0; round < 400; round++) {
      for (const member of this.members) this.#patroni(member);
      for (const a of this.members) for (const b of this.members) b.receive(a);
      this.#pass(500);
      this.#acknowledge();
    }
    const writable = this.members.filter(({ server }) => server === 'writable');
    if (writable.length !== 1) this.#violation(`${writable.length} members accept writes`);
    for (const member of writable) this.#hasAll(member);
  }

  #patroni(member: Member): void {
    const before = member.server;
    member.patroni(this.etcd, this.#others(member));
    if (member.server === before) return;
    this.#note(`${member.name} is ${member.server}`);
    if (member.server !== 'writable') return;
    this.promotions += 1;
    this.#hasAll(member);
  }

  /** One that does nothing between the proof and its use has stalled: nothing is kept alive. */
  #agent(member: Member): void {
    const attempt = this.#attempts.get(member);
    if (!member.powered || member.cut) {
      this.#attempts.delete(member);
    } else if (attempt === undefined) {
      this.#begin(member);
    } else if (!attempt.proven) {
      if (this.#random() < 0.8) this.etcd.keepAlive(attempt.lease, TURN_MS);
      attempt.proven = !this.#rules.honest || !attempt.target.powered;
      if (!attempt.proven && this.#random() < 0.3) this.#end(member, attempt);
    } else if (this.#random() < 0.5) {
      this.#fire(attempt);
      this.#end(member, attempt);
    }
  }

  #begin(member: Member): void {
    const leader = this.etcd.read().get(`${PREFIX}leader`)?.value;
    const target = this.members.find(({ name }) => name === leader);
    if (target === undefined || target === member) return;
    if (this.#rules.honest && target.powered && !target.cut) return;
    const lease = this.etcd.grant(TURN_MS);
    const free = [{ key: TURN, modRevision: 0 }];
    if (!this.etcd.put(TURN, member.name, lease, free)) return;
    const keys = this.etcd.read();
    const found = fencing([...keys.values()], PREFIX, target.name);
    if (!found.possible) {
      this.etcd.revoke(lease);
      return;
    }
    const turn = keys.get(TURN)?.modRevision ?? 0;
    const removals = found.removals.map((each) => each.delete);
    const guards = found.guards;
    this.#attempts.set(member, { target, turn, lease, guards, removals, proven: false });
  }

  #fire({ target, turn, guards, removals }: Attempt): void {
    const all = this.#rules.guarded ? [{ key: TURN, modRevision: turn }, ...guards] : [];
    if (!this.etcd.remove(removals, all)) return;
    if (this.#rules.revokes && target.lease !== undefined) this.etcd.revoke(target.lease);
    this.fences += 1;
    this.#note(`the lease of ${target.name} is taken`);
    const alive = target.powered && target.lease !== undefined;
    if (this.#rules.honest && alive) this.#violation(`${target.name} had come back`);
  }

  #end(member: Member, { lease }: Attempt): void {
    this.etcd.revoke(lease);
    this.#attempts.delete(member);
  }

  #write(member: Member): void {
    if (member.server === 'writable' && member.powered) member.history.push(++this.#rows);
  }

  #acknowledge(): void {
    for (const member of this.members) {
      const rows = this.#rules.strict ? member.confirmed(this.#others(member)) : alone(member);
      for (const row of rows) {
        if (this.acknowledged.has(row)) continue;
        this.acknowledged.add(row);
        const later = this.members.find(
          (other) => other.server === 'writable' && other.term > member.term,
        );
        if (later !== undefined && !later.history.includes(row)) {
          this.#violation(`${member.name} acknowledges ${row}, which ${later.name} has not`);
        }
      }
    }
  }

  #hasAll(member: Member): void {
    const lost = [...this.acknowledged].filter((row) => !member.history.includes(row));
    if (lost.length > 0) this.#violation(`${member.name} accepts writes without ${lost}`);
  }

  /** Mostly what is broken is mended first: else there is nobody left to take over. */
  #oneToBreak(member: Member, isBroken: (member: Member) => boolean): Member {
    const broken = this.members.find(isBroken);
    return broken !== undefined && this.#random() < 0.8 ? broken : member;
  }

  #power(member: Member): void {
    this.#note(`${member.name} is powered ${member.powered ? 'off' : 'on'}`);
    if (member.powered) member.powerOff();
    else member.powerOn(this.etcd.now + BOOT_MS);
  }

  #cut(member: Member): void {
    member.cut = !member.cut;
    this.#note(`${member.name} is ${member.cut ? 'cut off' : 'reached again'}`);
  }

  #pass(ms: number): void {
    this.etcd.pass(ms);
  }

  #others(member: Member): Member[] {
    return this.members.filter((other) => other !== member);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #note(line: string): void {
    this.log.push(`${(this.etcd.now / 1000).toFixed(1).padStart(7)} s  ${line}`);
  }

  #violation(what: string): never {
    this.#note(`VIOLATION: ${what}`);
    throw new Violation(what);
  }
}

/** Without strict synchronous mode the primary's word is enough. */
function alone(member: Member): number[] {
  return member.server === 'writable' ? member.history : [];
}

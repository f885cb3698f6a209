/**
 * One etcd cluster in memory: its members, and what Patroni keeps in it. Changes of members need a
 * majority of the voters that run, as in etcd; whether a change is wise it does not judge.
 */
import { OperatorError } from '../../lib/std/errors.ts';

export interface SimMember {
  id: string;
  /** Empty until it has started once. */
  name: string;
  peerUrl: string;
  learner: boolean;
  /** From when on a learner counts as caught up. */
  syncedAt: number;
}

/** Patroni's keys. */
export interface Dcs {
  /** Empty while the first database is being made, and after that was cut short. */
  initialize: string | undefined;
  leader: { member: string; until: number } | undefined;
  /** The last primary and the replicas that had confirmed everything; empty: anybody may lead. */
  sync: string[];
  dynamic: Record<string, unknown>;
  /** Until when each member's key lives. */
  members: Map<string, number>;
}

export class SimEtcd {
  readonly serial: number;
  members: SimMember[];
  readonly dcs: Dcs = {
    initialize: undefined,
    leader: undefined,
    sync: [],
    dynamic: {},
    members: new Map(),
  };
  #nextId = 2;

  constructor(serial: number, founder: { name: string; peerUrl: string }) {
    this.serial = serial;
    this.members = [{ ...founder, id: `${serial}a1`, learner: false, syncedAt: 0 }];
  }

  get voters(): SimMember[] {
    return this.members.filter((member) => !member.learner);
  }

  hasMajority(isAlive: (member: SimMember) => boolean): boolean {
    return this.voters.filter(isAlive).length > this.voters.length / 2;
  }

  addLearner(peerUrl: string): void {
    if (this.members.some((member) => member.peerUrl === peerUrl)) return;
    // etcd 3.4 takes one learner at a time (server.go, ErrTooManyLearners).
    if (this.members.some((member) => member.learner)) throw refusal('too many learner members');
    const id = `${this.serial}a${this.#nextId++}`;
    const syncedAt = Number.POSITIVE_INFINITY;
    this.members.push({ id, name: '', peerUrl, learner: true, syncedAt });
  }

  promote(id: string, now: number): void {
    const member = this.members.find((each) => each.id === id);
    if (member === undefined || !member.learner) return;
    if (member.name === '' || member.syncedAt > now) throw refusal('the learner is not in sync');
    member.learner = false;
  }

  remove(id: string): void {
    this.members = this.members.filter((each) => each.id !== id);
  }
}

function refusal(reason: string): OperatorError {
  return new OperatorError({ code: 'etcd-refused', message: `cannot call etcd: ${reason}` });
}

/**
 * One member in a simulated leader race: PostgreSQL's history and Patroni's loop, in the pieces
 * between which others may act. Like Patroni 3.0 it writes the leader key over whatever is there
 * when it has read its own name in it and its lease is a new one (dcs/etcd3.py, _update_leader).
 */
import type { FenceEtcd, Keys } from './fence-etcd.ts';

export const PREFIX = '/db/db/';
export const TTL_MS = 20_000;
/** Longest stall between reading and acting. A longer one is for a watchdog, with or without us. */
const LOOP_MS = 9000;
const LEADER = `${PREFIX}leader`;
const SYNC = `${PREFIX}sync`;

export interface Sync {
  leader: string | undefined;
  members: string[];
}

export class Member {
  readonly name: string;
  powered = true;
  /** Neither etcd nor another member is reached. */
  cut = false;
  /** From when on Patroni runs after its machine got power. */
  bootedAt = 0;
  server: 'down' | 'replica' | 'writable' = 'down';
  following: string | undefined;
  history: number[] = [];
  /** Grows with every promotion that this history has seen. */
  term = 0;
  /** Whose confirmation a commit waits for; `*`: anybody's. */
  waitsFor: readonly string[] = ['*'];
  lease: number | undefined;
  /** What Patroni read at the beginning of its loop, until it has acted on it. */
  view: Keys | undefined;
  #readAt = 0;
  #touched = false;
  /** When etcd answered last. */
  heardAt = 0;

  constructor(name: string) {
    this.name = name;
  }

  get key(): string {
    return `${PREFIX}members/${this.name}`;
  }

  powerOn(bootedAt: number): void {
    this.powered = true;
    this.bootedAt = bootedAt;
  }

  powerOff(): void {
    this.powered = false;
    this.server = 'down';
    this.lease = undefined;
    this.view = undefined;
    this.following = undefined;
  }

  /** The next piece of Patroni's loop. @param others every other member */
  patroni(etcd: FenceEtcd, others: readonly Member[]): void {
    if (!this.powered || etcd.now < this.bootedAt) return;
    if (this.cut) {
      this.#withoutEtcd(etcd);
      return;
    }
    this.heardAt = etcd.now;
    if (this.view === undefined || etcd.now - this.#readAt > LOOP_MS) {
      this.view = etcd.read();
      this.#readAt = etcd.now;
      this.#touched = false;
    } else if (!this.#touched) {
      this.#touch(etcd, this.view);
      this.#touched = true;
    } else {
      const { view } = this;
      this.view = undefined;
      this.#act(etcd, view, others);
    }
  }

  /** It gives up before its lease has run out. */
  #withoutEtcd(etcd: FenceEtcd): void {
    this.view = undefined;
    if (this.server === 'writable' && etcd.now - this.heardAt > TTL_MS / 2) this.server = 'replica';
  }

  #refresh(etcd: FenceEtcd): number {
    if (this.lease === undefined || !etcd.keepAlive(this.lease, TTL_MS)) {
      this.lease = etcd.grant(TTL_MS);
    }
    return this.lease;
  }

  #touch(etcd: FenceEtcd, view: Keys): void {
    const lease = this.#refresh(etcd);
    if (view.get(this.key)?.lease !== lease) etcd.put(this.key, '{}', lease);
  }

  #act(etcd: FenceEtcd, view: Keys, others: readonly Member[]): void {
    const leader = view.get(LEADER);
    if (leader?.value === this.name) {
      const lease = this.#refresh(etcd);
      if (leader.lease !== lease) etcd.put(LEADER, this.name, lease);
      if (this.server === 'down') this.server = 'replica';
      else if (this.server === 'replica') this.#promote(etcd, view);
      else this.#chooseStandbys(etcd, view, others);
      return;
    }
    if (this.server !== 'replica') this.server = 'replica';
    this.following = leader?.value;
    if (leader !== undefined || !this.#mayLead(view, others)) return;
    const free = [{ key: LEADER, modRevision: 0 }];
    if (etcd.put(LEADER, this.name, this.#refresh(etcd), free)) this.#promote(etcd, view);
  }

  #mayLead(view: Keys, others: readonly Member[]): boolean {
    const sync = syncIn(view);
    if (sync.leader !== this.name && !sync.members.includes(this.name)) return false;
    const ahead = (other: Member) =>
      other.term > this.term || other.history.length > this.history.length;
    return !others.some((other) => {
      const asked = other.powered && !other.cut && other.server !== 'down';
      return asked && sync.members.includes(other.name) && ahead(other);
    });
  }

  /** Its own record of synchronous standbys comes first: somebody else's is a lost race. */
  #promote(etcd: FenceEtcd, view: Keys): void {
    if (!this.#record(etcd, view, [])) return;
    this.server = 'writable';
    this.following = undefined;
    this.term += 1;
    this.waitsFor = ['*'];
  }

  #chooseStandbys(etcd: FenceEtcd, view: Keys, others: readonly Member[]): void {
    const { members: recorded } = syncIn(view);
    const streaming = others.filter((other) => this.isFollowedBy(other));
    const picked = streaming.map(({ name }) => name);
    if (picked.toSorted().join() === recorded.toSorted().join()) return;
    const kept = recorded.filter((name) => picked.includes(name));
    if (kept.length < recorded.length && !this.#record(etcd, view, kept)) return;
    this.waitsFor = picked.length === 0 ? ['*'] : picked;
    const now = etcd.read();
    if (syncIn(now).leader !== this.name) return;
    const whole = streaming.filter((other) => this.#isLike(other));
    const names = whole.map(({ name }) => name);
    this.#record(etcd, now, names);
  }

  #isLike({ term, history }: Member): boolean {
    return term === this.term && history.join() === this.history.join();
  }

  #record(etcd: FenceEtcd, view: Keys, members: readonly string[]): boolean {
    const value = JSON.stringify({ leader: this.name, sync_standby: members.join(',') || null });
    const guard = { key: SYNC, modRevision: view.get(SYNC)?.modRevision ?? 0 };
    return etcd.put(SYNC, value, undefined, [guard]);
  }

  isFollowedBy(other: Member): boolean {
    const linked = this.powered && !this.cut && other.powered && !other.cut;
    return linked && other.server === 'replica' && other.following === this.name;
  }

  /** What the primary has, unless this history is of a later one. */
  receive(primary: Member): void {
    if (!primary.isFollowedBy(this) || this.term > primary.term) return;
    if (this.term === primary.term && this.history.length > primary.history.length) return;
    this.history = [...primary.history];
    this.term = primary.term;
  }

  /** Rows that everybody has confirmed for whom a commit waits. */
  confirmed(others: readonly Member[]): number[] {
    if (this.server !== 'writable') return [];
    const has = (row: number) => (name: string) =>
      others.some(
        (other) =>
          (name === '*' || other.name === name) &&
          this.isFollowedBy(other) &&
          other.term === this.term &&
          other.history.includes(row),
      );
    return this.history.filter((row) => this.waitsFor.every(has(row)));
  }
}

export function syncIn(view: Keys): Sync {
  const { leader, sync_standby } = JSON.parse(view.get(SYNC)?.value ?? '{}') as {
    leader?: string;
    sync_standby?: string | null;
  };
  return { leader, members: sync_standby ? sync_standby.split(',') : [] };
}

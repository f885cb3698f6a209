/**
 * etcd's keys, revisions, transactions and leases in memory, with a clock that moves when told: as
 * much of it as Patroni's leader race and a fence need. Every call is one moment.
 */
import type { KeySeen } from '../../src/agent/decide/fence.ts';

export interface SimKey extends KeySeen {
  readonly lease: number | undefined;
}

export type Keys = ReadonlyMap<string, SimKey>;

export interface Guard {
  key: string;
  modRevision: number;
}

export class FenceEtcd {
  now = 0;
  #keys = new Map<string, SimKey>();
  readonly #leases = new Map<number, number>();
  #revision = 1;

  /** All keys as they are now; later changes do not show in it. */
  read(): Keys {
    return new Map(this.#keys);
  }

  holds(guards: readonly Guard[]): boolean {
    return guards.every(({ key, modRevision }) => {
      return (this.#keys.get(key)?.modRevision ?? 0) === modRevision;
    });
  }

  /** @returns false, and changes nothing, when a guard does not hold or the lease is gone */
  put(key: string, value: string, lease?: number, guards: readonly Guard[] = []): boolean {
    if (!this.holds(guards) || (lease !== undefined && !this.#leases.has(lease))) return false;
    this.#keys.set(key, { key, value, modRevision: ++this.#revision, lease });
    return true;
  }

  remove(keys: readonly string[], guards: readonly Guard[]): boolean {
    if (!this.holds(guards)) return false;
    for (const key of keys) this.#keys.delete(key);
    return true;
  }

  grant(ttlMs: number): number {
    const lease = ++this.#revision;
    this.#leases.set(lease, this.now + ttlMs);
    return lease;
  }

  /** @returns false when it has run out */
  keepAlive(lease: number, ttlMs: number): boolean {
    if (!this.#leases.has(lease)) return false;
    this.#leases.set(lease, this.now + ttlMs);
    return true;
  }

  revoke(lease: number): void {
    this.#leases.delete(lease);
    for (const [key, entry] of this.#keys) if (entry.lease === lease) this.#keys.delete(key);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const [lease, until] of this.#leases) if (until <= this.now) this.revoke(lease);
  }
}

/**
 * The clocks of a failover: which the installed Patroni allows for a profile, and for how long
 * nobody can write with them when something is lost. Pure arithmetic; measured in
 * docs/decisions/2026-11-20-failover-profiles.md.
 */
import type { Capabilities } from './capabilities.ts';
import type { FailoverProfile } from './options.ts';

/** Patroni's clocks, in seconds. By its rule loop_wait + 2 x retry_timeout is at most ttl. */
export interface FailoverClocks {
  ttl: number;
  loop_wait: number;
  retry_timeout: number;
  /** How long a crashed primary is restarted in place before a replica takes over. */
  primary_start_timeout: number;
}

/**
 * As wished. With less than 3 s of retry_timeout Patroni asks two voters at most before it gives
 * etcd up, a second for each (dcs/etcd.py): of five, both may be the dead ones.
 */
const WISHES: Readonly<Record<FailoverProfile, FailoverClocks>> = {
  fast: { ttl: 8, loop_wait: 1, retry_timeout: 3, primary_start_timeout: 0 },
  balanced: { ttl: 20, loop_wait: 2, retry_timeout: 9, primary_start_timeout: 30 },
  safe: { ttl: 30, loop_wait: 10, retry_timeout: 10, primary_start_timeout: 300 },
};

/** What Patroni would raise by itself is raised here, and its other clocks with it. */
export function clocksOf(profile: FailoverProfile, capabilities: Capabilities): FailoverClocks {
  const wish = WISHES[profile];
  const ttl = Math.max(wish.ttl, capabilities.minimumTtlSeconds);
  if (ttl === wish.ttl) return wish;
  return { ...wish, ttl, retry_timeout: Math.floor((ttl - wish.loop_wait) / 2) };
}

/** Seconds, from the loss to the first write on the new primary. */
export interface Outage {
  least: number;
  most: number;
}

export interface Outages {
  /** PostgreSQL crashes: it is restarted in place, or with 0 replaced at once. */
  crash: Outage;
  /** The unit is lost: the leader's lease runs out, of which up to one loop is gone. */
  unit: Outage;
  /** The unit held etcd's leader, too: the next one first renews every lease. */
  unitAndEtcd: Outage;
}

const PROMOTION_S = 2;
const ELECTION_S = 4;

export function impliedOutages(clocks: FailoverClocks): Outages {
  const { ttl, loop_wait: loop, primary_start_timeout: inPlace } = clocks;
  const unit = { least: ttl - loop, most: ttl + PROMOTION_S };
  return {
    crash: { least: 1, most: loop + (inPlace === 0 ? PROMOTION_S : inPlace) },
    unit,
    unitAndEtcd: { least: unit.least, most: unit.most + ELECTION_S },
  };
}

/** The clocks in Patroni's shared configuration; undefined while it does not say them. */
export function clocksIn(dynamic: Readonly<Record<string, unknown>>): FailoverClocks | undefined {
  const { ttl, loop_wait, retry_timeout, primary_start_timeout = 300 } = dynamic;
  const all = [ttl, loop_wait, retry_timeout, primary_start_timeout];
  if (!all.every((value) => typeof value === 'number')) return undefined;
  return { ttl, loop_wait, retry_timeout, primary_start_timeout } as FailoverClocks;
}

/** For people: what is in force, and what it means. Keys as an action's results have them. */
export function describeFailover(clocks: FailoverClocks): Record<string, string> {
  const { crash, unit, unitAndEtcd } = impliedOutages(clocks);
  const span = ({ least, most }: Outage) => `${least} to ${most} s`;
  const said = Object.entries(clocks).map(([name, seconds]) => `${name} ${seconds}`);
  return {
    'failover-clocks': said.join(', '),
    'outage-after-crash': span(crash),
    'outage-after-loss-of-unit': span(unit),
    'outage-after-loss-of-unit-and-etcd-leader': span(unitAndEtcd),
  };
}

/** Whether a primary that is proven off is replaced at once, by what Patroni has in force. */
export function describeFence(dynamic: Readonly<Record<string, unknown>>): string {
  const isStrict =
    dynamic['synchronous_mode'] === true && dynamic['synchronous_mode_strict'] === true;
  return isStrict ? 'in force' : 'waits for strict synchronous mode, which needs three units';
}

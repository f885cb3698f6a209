/**
 * How long nobody can write after a loss of the primary, and what the clients of the poolers feel
 * of it, beside the same clients connected to the servers themselves: bare Patroni, with the same
 * settings, on the same machines. `rejoin` is the time until the old primary streams again.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clientUrl } from '../src/charm/model/etcd-facts.ts';
import { createEtcd } from '../src/charm/workload/etcd.ts';
import { FaultWorld } from '../tests/support/fault-world.ts';
import { Load } from './load.ts';
import { type Benchmark, judge, type Measurement, median } from './measure.ts';

const ROUNDS: Readonly<Record<string, number>> = {
  'failover-postmaster': 5,
  'failover-poweroff': 2,
  'failover-fenced': 3,
};
/** How each profile is told by the clocks in force. */
const PROFILES = { fast: 'loop_wait: 1', balanced: 'loop_wait: 2', safe: 'loop_wait: 10' } as const;
const LONGEST_MS = 180_000;
/** Clients of one load: as many statements can be in flight. */
const IN_FLIGHT = 16;

type Fault = 'failover-postmaster' | 'failover-poweroff' | 'failover-fenced';
type Profile = keyof typeof PROFILES;
type Say = (line: string) => void;

interface Round {
  /** Longest time that one of the clients could not write. */
  outageMs: number;
  errors: number;
  /** From the fault, or from power on, to streaming again. */
  rejoinMs: number;
}

export const failover: Benchmark = {
  ids: ['failover-postmaster', 'failover-poweroff', 'failover-fenced', 'rejoin'],
  async run(ids, say) {
    say('failover: deploying three units');
    const world = await FaultWorld.start({ units: 3, config: ['failover-profile=fast'] });
    world.writers.abandon();
    try {
      await Load.prepare(world.uris[0] ?? '');
      const results: Measurement[] = [];
      const crash = ids.includes('failover-postmaster') || ids.includes('rejoin');
      if (crash) results.push(...(await crashes(world, ids, say)));
      const away = ids.includes('failover-poweroff') || ids.includes('failover-fenced');
      // A Patroni that has lost the only voter that it knew looks for another, once: it knows all
      // of them afterwards.
      if (away) await settleIn(world, say);
      if (ids.includes('failover-poweroff')) {
        for (const profile of ['fast', 'balanced', 'safe'] as const) {
          results.push(await powerOffs(world, profile, say));
        }
      }
      if (ids.includes('failover-fenced')) results.push(await fenced(world, say));
      return results;
    } finally {
      await world.end();
    }
  },
};

async function crashes(
  world: FaultWorld,
  ids: readonly string[],
  say: Say,
): Promise<Measurement[]> {
  const { pooled, direct } = await bothWays(world, 'failover-postmaster', say);
  const outage = judge({
    id: 'failover-postmaster',
    what: 'kill -9 of the primary’s postmaster, 16 clients: longest stall, median',
    value: median(pooled.map(({ outageMs }) => outageMs)) / 1000,
    unit: 's',
    floor: median(direct.map(({ outageMs }) => outageMs)) / 1000,
    floorOf: 'bare Patroni, direct clients',
    target: 1.3,
    targetOf: 'ratio',
  });
  const errors = judge({
    id: 'failover-postmaster',
    what: 'the same: most errors of one time',
    value: Math.max(...pooled.map(({ errors }) => errors)),
    unit: 'errors',
    floor: Math.max(...direct.map(({ errors }) => errors)),
    floorOf: 'bare Patroni, direct clients',
    target: IN_FLIGHT,
    targetOf: 'value',
  });
  const rejoin = judge({
    id: 'rejoin',
    what: 'old primary streams again after its crash, median',
    value: median(pooled.map(({ rejoinMs }) => rejoinMs)) / 1000,
    unit: 's',
    floor: median(direct.map(({ rejoinMs }) => rejoinMs)) / 1000,
    floorOf: 'bare Patroni, direct clients',
    target: 1.5,
    targetOf: 'ratio',
  });
  return [outage, errors, rejoin].filter(({ id }) => ids.includes(id));
}

async function settleIn(world: FaultWorld, say: Say): Promise<void> {
  const felt = await oneRound(world, 'failover-poweroff', world.uris);
  say(`failover: not counted: ${JSON.stringify(felt)}`);
}

async function inForce(world: FaultWorld, profile: Profile): Promise<void> {
  await world.model.pgcharm(['config', 'postgresql', `failover-profile=${profile}`]);
  await world.model.until(`${profile} is in force`, async () => {
    const shown = await world.shell(await world.primary(), 'patronictl show-config');
    return shown.split('\n').includes(PROFILES[profile]) ? true : undefined;
  });
}

async function powerOffs(world: FaultWorld, profile: Profile, say: Say): Promise<Measurement> {
  await inForce(world, profile);
  const { pooled, direct } = await bothWays(world, 'failover-poweroff', say);
  return judge({
    id: 'failover-poweroff',
    what: `power off the primary’s unit, ${profile}, etcd’s leader elsewhere: median`,
    value: median(pooled.map(({ outageMs }) => outageMs)) / 1000,
    unit: 's',
    floor: median(direct.map(({ outageMs }) => outageMs)) / 1000,
    floorOf: 'bare Patroni, direct clients',
    target: 1.2,
    targetOf: 'ratio',
  });
}

/** What Patroni would take by itself is in the rows of `failover-poweroff`. */
async function fenced(world: FaultWorld, say: Say): Promise<Measurement> {
  await inForce(world, 'balanced');
  const command = 'fence-command=is-powered-off "$FENCE_UNIT"';
  await world.model.pgcharm(['config', 'postgresql', command]);
  await world.model.active(['postgresql']);
  const { pooled, direct } = await bothWays(world, 'failover-fenced', say);
  return judge({
    id: 'failover-fenced',
    what: 'power off the primary’s unit, proven by fence-command, balanced: stall, median',
    value: median(pooled.map(({ outageMs }) => outageMs)) / 1000,
    unit: 's',
    floor: median(direct.map(({ outageMs }) => outageMs)) / 1000,
    floorOf: 'the same, direct clients',
    target: 3,
    targetOf: 'value',
  });
}

/** The two take turns, so that the load of the machine falls on both. */
async function bothWays(world: FaultWorld, fault: Fault, say: Say) {
  const rounds: { pooled: Round[]; direct: Round[] } = { pooled: [], direct: [] };
  const names = await world.unitNames();
  const addresses = await Promise.all(names.map((name) => world.addressOf(name)));
  const uris = {
    pooled: world.uris,
    direct: addresses.map((address) => world.directUri(address)),
  };
  const count = ROUNDS[fault] ?? 1;
  for (let round = 1; round <= count; round++) {
    for (const way of ['direct', 'pooled'] as const) {
      const felt = await oneRound(world, fault, uris[way]);
      rounds[way].push(felt);
      say(`${fault}: ${way} ${round} of ${count}: ${JSON.stringify(felt)}`);
    }
  }
  return rounds;
}

async function oneRound(world: FaultWorld, fault: Fault, uris: readonly string[]): Promise<Round> {
  await redundant(world);
  const victim = await world.primary();
  const away = fault !== 'failover-postmaster';
  // Whose pooler loses its power goes to another; those who ask servers need all of them.
  const lostPooler = `${await world.addressOf(victim)}:6432`;
  const load = new Load(away ? uris.filter((uri) => !uri.includes(lostPooler)) : uris);
  try {
    await load.writes(LONGEST_MS);
    if (away) await untilEtcdLeadsElsewhere(world, victim);
    const census = await world.census(victim);
    // What is left of the lease, which is nearly all of the outage, is the same each time.
    if (fault === 'failover-poweroff') await untilRenewed(world, victim);
    load.reset();
    let startedAt = performance.now();
    if (away) await world.cluster.model.power(victim, false);
    else await world.kill(census.postmaster);
    await load.writes(LONGEST_MS);
    const { errors, longestStallMs } = load.felt();
    if (away) {
      startedAt = performance.now();
      await world.cluster.model.power(victim, true);
    }
    await redundant(world);
    const rejoinMs = performance.now() - startedAt;
    return { outageMs: longestStallMs, errors, rejoinMs };
  } finally {
    await load.stop();
  }
}

/** Etcd's leader elects anew when it dies, and renews every lease: 4 s that Patroni cannot help. */
async function untilEtcdLeadsElsewhere(world: FaultWorld, victim: string): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  while ((await world.etcdLeader()) === victim) {
    if (performance.now() > end) throw new Error('the leadership of etcd stays with the primary');
    await delay(1000);
  }
}

/** Until the primary's Patroni writes where its server is, which it does after each renewal. */
async function untilRenewed(world: FaultWorld, victim: string): Promise<void> {
  const others = (await world.unitNames()).filter((name) => name !== victim);
  const addresses = await Promise.all(others.map((name) => world.addressOf(name)));
  const unit = `unit-${(others[0] ?? '').replace('/', '-')}`;
  const tls = join(world.model.root, 'agents', unit, 'pg', 'tls');
  const [ca = '', cert = '', key = ''] = ['ca', 'cert', 'key'].map((name) => `${tls}/${name}.pem`);
  const etcd = createEtcd({ endpoints: addresses.map(clientUrl), tls: { ca, cert, key } });
  const end = new AbortController();
  const limit = AbortSignal.any([end.signal, AbortSignal.timeout(LONGEST_MS)]);
  try {
    await new Promise<void>((resolve, reject) => {
      const keys = ['/db/postgresql/status'];
      etcd.watch({ keys, onChange: () => resolve() }, limit).then(reject, reject);
    });
  } finally {
    end.abort();
    etcd.close();
  }
}

/** Every replica streams and confirms. */
async function redundant(world: FaultWorld): Promise<void> {
  const names = await world.unitNames();
  const query = `SELECT count(*) FROM pg_stat_replication
    WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')`.replaceAll(/\s+/g, ' ');
  const probe = async () => {
    const primary = await world.primary().catch(() => undefined);
    if (primary === undefined) return undefined;
    const count = await world.shell(primary, `psql -At -c "${query}"`);
    return Number(count) === names.length - 1 ? true : undefined;
  };
  await world.model.until('all replicas confirm', probe, LONGEST_MS);
}

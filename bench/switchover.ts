/**
 * What clients feel of a planned switchover by `promote-to-primary`, beside what the same clients
 * feel who are connected to the servers themselves while Patroni alone switches over.
 */
import { FaultWorld } from '../tests/support/fault-world.ts';
import { Load } from './load.ts';
import { type Benchmark, judge, type Measurement } from './measure.ts';

const ROUNDS = 20;
const BARE_ROUNDS = 10;

export const switchover: Benchmark = {
  ids: ['switchover'],
  async run(_ids, say) {
    say('switchover: deploying three units');
    const world = await FaultWorld.start({ units: 3, config: ['failover-profile=fast'] });
    world.writers.abandon();
    try {
      await Load.prepare(world.uris[0] ?? '');
      const bare = await bareRounds(world, say);
      const held = await heldRounds(world, say);
      return compare(held, bare);
    } finally {
      await world.end();
    }
  },
};

interface Rounds {
  errors: number;
  longestMs: number;
}

function compare(held: Rounds, bare: Rounds): Measurement[] {
  const shared = { id: 'switchover', floorOf: `Patroni alone, direct clients` } as const;
  return [
    judge({
      ...shared,
      what: `${ROUNDS} switchovers, 16 clients: longest stall`,
      value: held.longestMs / 1000,
      unit: 's',
      floor: bare.longestMs / 1000,
      target: 1.3,
      targetOf: 'ratio',
    }),
    judge({
      ...shared,
      what: `${ROUNDS} switchovers, 16 clients: errors`,
      value: held.errors,
      unit: 'errors',
      floor: (bare.errors * ROUNDS) / BARE_ROUNDS,
      target: 0,
      targetOf: 'value',
    }),
  ];
}

async function heldRounds(world: FaultWorld, say: (line: string) => void): Promise<Rounds> {
  const load = new Load(world.uris);
  const rounds: Rounds = { errors: 0, longestMs: 0 };
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const to = await readyReplica(world);
      await load.writes();
      load.reset();
      await world.model.pgcharm(['run', to, 'promote-to-primary', 'scope=unit']);
      await load.writes();
      note(rounds, load);
      say(`switchover: round ${round} of ${ROUNDS}: ${JSON.stringify(load.felt())}`);
    }
  } finally {
    await load.stop();
  }
  return rounds;
}

async function bareRounds(world: FaultWorld, say: (line: string) => void): Promise<Rounds> {
  const names = await world.unitNames();
  const addresses = await Promise.all(names.map((name) => world.addressOf(name)));
  const load = new Load(addresses.map((address) => world.directUri(address)));
  const rounds: Rounds = { errors: 0, longestMs: 0 };
  try {
    for (let round = 1; round <= BARE_ROUNDS; round++) {
      const [to, from] = [await readyReplica(world), await world.primary()];
      const [candidate, leader] = [to, from].map((unit) => unit.replace('/', '-'));
      await load.writes();
      load.reset();
      const words = `switchover --leader ${leader} --candidate ${candidate} --force postgresql`;
      await world.shell(to, `patronictl ${words}`);
      await load.writes();
      note(rounds, load);
      say(`switchover: Patroni alone ${round} of ${BARE_ROUNDS}: ${JSON.stringify(load.felt())}`);
    }
  } finally {
    await load.stop();
  }
  return rounds;
}

function note(rounds: Rounds, load: Load): void {
  const { errors, longestStallMs } = load.felt();
  rounds.errors += errors;
  rounds.longestMs = Math.max(rounds.longestMs, longestStallMs);
}

/** A replica, once the two of them stream and are synchronous. */
async function readyReplica(world: FaultWorld): Promise<string> {
  const query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
  const replicas = await world.model.until('two synchronous replicas', async () => {
    const primary = await world.primary().catch(() => undefined);
    if (primary === undefined) return undefined;
    const count = await world.shell(primary, `psql -At -c "${query}"`);
    const others = (await world.unitNames()).filter((name) => name !== primary);
    return Number(count) === others.length ? others : undefined;
  });
  return replicas[0] ?? '';
}

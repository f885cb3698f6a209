/**
 * From `config` of an option that PostgreSQL can reload to its being in force on each of three
 * units. The floor is the same change by hand: ALTER SYSTEM and a reload on every server.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { charmArchive } from '../tests/support/build.ts';
import { type Deployment, withDeployment } from '../tests/support/deployment.ts';
import { type Benchmark, judge, median } from './measure.ts';

const RUNS = 7;
const LONGEST_MS = 60_000;
const LOOK_EVERY_MS = 10;

export const optionLatency: Benchmark = {
  ids: ['option-latency'],
  run: (_ids, say) =>
    withDeployment({}, async (model) => {
      say('option-latency: deploying three units');
      const options = ['-n', '3', '--config', 'profile=testing'];
      await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
      await model.active(['postgresql']);
      const servers = await connectAll(model);
      try {
        say(`option-latency: ${RUNS} changes`);
        const value = await changes(servers, 5000, (kib) =>
          model.pgcharm(['config', 'postgresql', `memory-work-mem=${kib}`]),
        );
        await model.pgcharm('config postgresql --reset memory-work-mem');
        await inForce(servers, '4MB');
        say(`option-latency: ${RUNS} changes by hand`);
        const floor = await changes(servers, 6000, (kib) => byHand(servers, kib));
        const what = 'config of a reloadable option to every unit of three, median';
        const floorOf = 'ALTER SYSTEM and reload on every server';
        const figures = { id: 'option-latency', what, value, floor, floorOf } as const;
        return [judge({ ...figures, unit: 's', target: 3, targetOf: 'value' })];
      } finally {
        await Promise.all(servers.map((server) => server.end()));
      }
    }),
};

/** Median of the seconds from a change to its being in force everywhere. */
async function changes(
  servers: readonly pg.Client[],
  first: number,
  change: (kib: number) => Promise<unknown>,
): Promise<number> {
  const seconds: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    await Promise.all([change(first + run), inForce(servers, `${first + run}kB`)]);
    seconds.push((performance.now() - started) / 1000);
    // What a change sets in motion shall not be counted to the next.
    await delay(2000);
  }
  return median(seconds);
}

async function byHand(servers: readonly pg.Client[], kib: number): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      await server.query(`ALTER SYSTEM SET work_mem = '${kib}kB'`);
      await server.query('SELECT pg_reload_conf()');
    }),
  );
}

/** Until every server shows it to a session that has been there before. */
async function inForce(servers: readonly pg.Client[], wanted: string): Promise<void> {
  const deadline = Date.now() + LONGEST_MS;
  for (;;) {
    const shown = await Promise.all(servers.map((server) => server.query('SHOW work_mem')));
    if (shown.every(({ rows }) => rows[0]?.work_mem === wanted)) return;
    if (Date.now() > deadline) throw new Error(`work_mem is not ${wanted} within a minute`);
    await delay(LOOK_EVERY_MS);
  }
}

/** As the charm's own superuser, which is what may reload by hand. */
async function connectAll(model: Deployment): Promise<pg.Client[]> {
  const secrets = await model.json<Record<string, { label?: string }>>('secrets');
  const label = 'database-peers.postgresql.app';
  const [id = ''] = Object.entries(secrets).find(([, secret]) => secret.label === label) ?? [];
  type Revealed = Record<string, { content: { Data: Record<string, string> } }>;
  const shown = await model.json<Revealed>(['show-secret', id, '--reveal']);
  const password = shown[id]?.content.Data['operator-password'] ?? '';
  const units = Object.values(await model.units('postgresql'));
  return Promise.all(
    units.map(async (unit) => {
      const host = unit['public-address'];
      const login = { host, port: 5432, user: 'operator', password, database: 'postgres' };
      const client = new pg.Client(login);
      await client.connect();
      return client;
    }),
  );
}

/**
 * From `integrate` to the credentials in the client's databag, on an idle cluster of three. The
 * floor is what PostgreSQL alone takes for a database and a login, by hand.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { charmArchive } from '../tests/support/build.ts';
import { type Deployment, withDeployment } from '../tests/support/deployment.ts';
import { type Benchmark, judge, median } from './measure.ts';

const RUNS = 5;
const LONGEST_MS = 60_000;
const LOOK_EVERY_MS = 50;

export const integrateLatency: Benchmark = {
  ids: ['integrate-latency'],
  run: (_ids, say) =>
    withDeployment({}, async (model) => {
      say(`integrate-latency: deploying three units, and ${RUNS} clients`);
      const options = ['-n', '3', '--config', 'profile=testing'];
      await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
      const clients = Array.from({ length: RUNS }, (_, at) => `client${at}`);
      for (const name of clients) {
        const config = ['--config', `database-name=${name}`];
        await model.pgcharm(['deploy', charmArchive('data-integrator'), name, ...config]);
      }
      await model.active(['postgresql']);
      say('integrate-latency: integrating one after the other');
      const seconds: number[] = [];
      const floors: number[] = [];
      for (const name of clients) {
        // What the one before has set in motion shall not be counted to the next.
        await delay(5000);
        seconds.push(await timed(() => integrated(model, name)));
        floors.push(await timed(() => byHand(model, `${name}_by_hand`)));
      }
      const what = 'integrate to credentials in the databag, cluster of three, median';
      const floorOf = 'CREATE DATABASE and CREATE ROLE by hand';
      const figures = { id: 'integrate-latency', what, floorOf, unit: 's' } as const;
      const [value, floor] = [median(seconds), median(floors)];
      return [judge({ ...figures, value, floor, target: 3, targetOf: 'value' })];
    }),
};

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

interface ShownUnit {
  'relation-info'?: { 'application-data'?: Record<string, string> }[];
}

async function integrated(model: Deployment, name: string): Promise<void> {
  const deadline = Date.now() + LONGEST_MS;
  await model.pgcharm(`integrate postgresql:database ${name}:postgresql`);
  for (;;) {
    // A unit shows what its own application has written: the provider, what it tells the client.
    const shown = await model.json<Record<string, ShownUnit>>('show-unit postgresql/0');
    const bags = shown['postgresql/0']?.['relation-info']?.map((it) => it['application-data']);
    if (bags?.some((bag) => bag?.['database'] === name && bag['secret-user'])) return;
    if (Date.now() > deadline) throw new Error(`${name} has no credentials within a minute`);
    await delay(LOOK_EVERY_MS);
  }
}

/** Over the socket of whichever unit is the primary; on the others psql says so and fails. */
async function byHand(model: Deployment, name: string): Promise<void> {
  const statements = [`CREATE DATABASE ${name}`, `CREATE ROLE ${name} LOGIN`];
  const words = statements.flatMap((text) => ['-c', text]);
  for (const unit of Object.keys(await model.units('postgresql'))) {
    const psql = ['exec', '--unit', unit, '--', '../pg/bin/psql', '-q', ...words];
    const { code } = await model.pgcharm(psql, { mayFail: true });
    if (code === 0) return;
  }
  throw new Error('no unit takes a database by hand');
}

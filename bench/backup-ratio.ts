/**
 * A full backup through the action, from the command to its result, against pgBackRest started by
 * hand on the same unit with the same configuration. The two take turns, so that the load of the
 * machine falls on both; medians are compared.
 */
import { join } from 'node:path';
import { type Deployment, withDeployment } from '../tests/support/deployment.ts';
import { projectRoot } from '../tests/support/source-tree.ts';
import { accessOf, query } from '../tests/support/sql.ts';
import { type Benchmark, judge, median } from './measure.ts';

const ROUNDS = 3;
/** About 250 MB, so that copying and not starting is what is compared. */
const ROWS = 2_000_000;
const UNIT = 'postgresql/1';
const LONGEST_MS = 600_000;

export const backupRatio: Benchmark = {
  ids: ['backup-ratio'],
  run: (_ids, say) =>
    withDeployment({}, async (model) => {
      say('backup-ratio: deploying bundles/local.yaml');
      await model.pgcharm(['deploy', join(projectRoot, 'bundles', 'local.yaml')]);
      await model.active(Object.keys((await model.status()).applications), LONGEST_MS);
      say(`backup-ratio: filling a table with ${ROWS} rows`);
      const access = await accessOf(model);
      const text = `CREATE TABLE filler AS
        SELECT i, md5(i::text) AS a, md5((i * 7)::text) AS b FROM generate_series(1, ${ROWS}) AS i`;
      await query(access, text);
      await backUp(model); // The first one also archives what has gathered.
      const times: { action: number[]; bare: number[] } = { action: [], bare: [] };
      for (let round = 1; round <= ROUNDS; round++) {
        times.action.push(await timed(() => backUp(model)));
        times.bare.push(await timed(() => backUpByHand(model)));
        say(`backup-ratio: round ${round} of ${ROUNDS}`);
      }
      return [
        judge({
          id: 'backup-ratio',
          what: 'full backup of a three-unit cluster',
          value: median(times.action) / 1000,
          unit: 's',
          floor: median(times.bare) / 1000,
          floorOf: 'pgbackrest by hand',
          target: 1.2,
          targetOf: 'ratio',
        }),
      ];
    }),
};

async function backUp(model: Deployment): Promise<void> {
  const words = ['run', UNIT, 'create-backup', 'type=full', '--wait', '10m'];
  await model.pgcharm(words, { timeoutMs: LONGEST_MS });
}

async function backUpByHand(model: Deployment): Promise<void> {
  const command = 'pgbackrest --type=full --backup-standby backup';
  await model.pgcharm(['ssh', UNIT, command], { timeoutMs: LONGEST_MS });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/**
 * From `deploy` to every unit active, for one unit and for three. The floor is a bare start of the
 * same processes with the same settings, on the same addresses, right afterwards.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectApi } from '../src/cli/client.ts';
import { follow } from '../src/cli/follow.ts';
import { charmArchive } from '../tests/support/build.ts';
import { type Deployment, isSettled, withDeployment } from '../tests/support/deployment.ts';
import { powerCut } from '../tests/support/processes.ts';
import { dynamicConfig, startBare } from './bare.ts';
import { type Benchmark, judge, type Measurement } from './measure.ts';

const LONGEST_MS = 600_000;

export const deploy: Benchmark = {
  ids: ['deploy-1', 'deploy-3'],
  async run(ids, say) {
    const results: Measurement[] = [];
    for (const id of ids) results.push(await compare(id, Number(id.split('-')[1]), say));
    return results;
  },
};

function compare(id: string, count: number, say: (line: string) => void): Promise<Measurement> {
  return withDeployment({}, async (model) => {
    say(`${id}: deploying ${count} of postgresql`);
    const value = await timeDeploy(model, count);
    const units = Object.keys(await model.units('postgresql'));
    const dcs = await dynamicConfig(model.root, units[0] ?? '');
    // First the controller, which would start everything again.
    await powerCut(model.root);
    say(`${id}: starting the same processes by hand`);
    const floor = await startBare(model.root, units, dcs);
    await powerCut(model.root);
    await rm(join(model.root, 'agents'), { recursive: true });
    return judge({
      id,
      what: `deploy of ${count} postgresql to all active`,
      value: value / 1000,
      unit: 's',
      floor: floor / 1000,
      floorOf: 'the same processes by hand',
      target: 2.5,
      targetOf: 'ratio',
    });
  });
}

async function timeDeploy(model: Deployment, count: number): Promise<number> {
  const { signal } = new AbortController();
  const socket = async () => join(model.root, 'controller.sock');
  const api = connectApi({ socket, model: undefined, signal });
  const started = performance.now();
  const options = ['-n', String(count), '--config', 'profile=testing'];
  await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
  const done = await follow(
    api,
    'status',
    {},
    {
      timeoutMs: LONGEST_MS,
      signal,
      seen({ document }) {
        const units = Object.values(document.applications['postgresql']?.units ?? {});
        return units.length === count && units.every(isSettled) ? true : undefined;
      },
    },
  );
  if (done !== true) throw new Error(`not all active:\n${await model.diagnosis()}`);
  return performance.now() - started;
}

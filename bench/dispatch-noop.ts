/**
 * What an event costs that finds nothing to do: an `update-status` of a settled postgresql unit,
 * the whole process, over the hook-tool socket. Its floor is an empty script on the same Node.
 */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { charmArchive } from '../tests/support/build.ts';
import { type Deployment, withDeployment } from '../tests/support/deployment.ts';
import { type Benchmark, judge, type Measurement, median } from './measure.ts';

const RUNS = 31;

interface Run {
  ms: number;
  peakMiB: number;
}

export const dispatchNoop: Benchmark = {
  ids: ['dispatch-noop'],
  run: (_ids, say) =>
    withDeployment({}, async (model) => {
      say('dispatch-noop: deploying one unit with a client');
      await deployOne(model);
      say(`dispatch-noop: ${RUNS} events with nothing to do`);
      const events = await probe(model, 'JUJU_DISPATCH_PATH=hooks/update-status', ['./dispatch']);
      const floor = await probe(model, 'EMPTY=1', [
        `${model.root}/bin/node`,
        `${model.root}/empty.mjs`,
      ]);
      return compare(events, floor);
    }),
};

function compare(events: readonly Run[], floor: readonly Run[]): Measurement[] {
  const floorOf = 'empty script on the same Node';
  const shared = { id: 'dispatch-noop', targetOf: 'value', floorOf } as const;
  const time = judge({
    ...shared,
    what: 'update-status with nothing to do, median',
    value: median(events.map(({ ms }) => ms)),
    floor: median(floor.map(({ ms }) => ms)),
    unit: 'ms',
    target: 100,
  });
  const memory = judge({
    ...shared,
    what: 'update-status with nothing to do, largest memory',
    value: Math.max(...events.map(({ peakMiB }) => peakMiB)),
    floor: Math.max(...floor.map(({ peakMiB }) => peakMiB)),
    unit: 'MiB',
    target: 90,
  });
  return [time, memory];
}

async function deployOne(model: Deployment): Promise<void> {
  await model.pgcharm(['deploy', charmArchive('postgresql'), '--config', 'profile=testing']);
  const name = ['--config', 'database-name=shop'];
  await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
  await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
  await model.active(['postgresql', 'data-integrator']);
}

/** Runs `command` in the unit's environment, as the controller runs an event. */
export async function probe(
  model: Deployment,
  setting: string,
  command: readonly string[],
): Promise<Run[]> {
  const script = join(model.root, 'probe.mjs');
  await copyFile(join(import.meta.dirname, 'probe.mjs'), script);
  await writeFile(join(model.root, 'empty.mjs'), '');
  // What exec runs is an action to the charm, which would refuse it, unless nothing says so.
  const unset = ['NAME', 'UUID', 'TAG'].flatMap((name) => ['-u', `JUJU_ACTION_${name}`]);
  const measured = ['env', ...unset, setting, `${model.root}/bin/node`, script, String(RUNS)];
  const words = ['exec', '--unit', 'postgresql/0', '--', ...measured, ...command];
  const { stdout } = await model.pgcharm(words, { timeoutMs: 300_000 });
  const found = JSON.parse(stdout.slice(stdout.indexOf('['), stdout.lastIndexOf(']') + 1));
  return found as Run[];
}

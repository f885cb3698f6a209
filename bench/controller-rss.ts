/**
 * Memory of the controller with the default bundle deployed and at rest. Its floor is a Node of the
 * same version that does nothing.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withDeployment } from '../tests/support/deployment.ts';
import { findProcesses } from '../tests/support/processes.ts';
import { projectRoot } from '../tests/support/source-tree.ts';
import { type Benchmark, judge } from './measure.ts';

/** Long enough for garbage of the deployment to be collected, or to show that it is not. */
const REST_MS = 30_000;

export const controllerRss: Benchmark = {
  ids: ['controller-rss'],
  run: (_ids, say) =>
    withDeployment({}, async (model) => {
      say('controller-rss: deploying bundles/local.yaml');
      await model.pgcharm(['deploy', join(projectRoot, 'bundles', 'local.yaml')]);
      await model.active(Object.keys((await model.status()).applications), 600_000);
      say(`controller-rss: at rest for ${REST_MS / 1000} s`);
      await delay(REST_MS);
      const [controller] = findProcesses(model.root, 'controller.js');
      if (controller === undefined) throw new Error('no controller runs');
      return [
        judge({
          id: 'controller-rss',
          what: 'controller with the default bundle at rest',
          value: residentMiB(controller.pid),
          unit: 'MiB',
          floor: await idleNode(),
          floorOf: 'idle Node',
          target: 120,
          targetOf: 'value',
        }),
      ];
    }),
};

export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

export async function idleNode(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  try {
    await delay(1000);
    return residentMiB(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
  }
}

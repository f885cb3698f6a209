/**
 * The unit's resident process: `node agent.js --dir <directory of desired.json>`.
 *
 * May be started before anything else exists; ends on SIGTERM or SIGINT after it has let go of what
 * it holds, while services and jobs go on running.
 */
import { basename, dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../lib/std/errors.ts';
import { streamLog } from '../../lib/std/log.ts';
import { Agent } from './agent.ts';
import { createJobs } from './jobs/engine.ts';
import type { Jobs } from './jobs-port.ts';
import { recloneKind } from './work/reclone.ts';
import { restartKind } from './work/restart.ts';
import { restoreKind } from './work/restore.ts';
import { switchoverKind } from './work/switchover.ts';

const STOP_LIMIT_MS = 5000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { dir: { type: 'string' }, revision: { type: 'string' } },
  });
  if (values.dir === undefined) throw new Error('--dir is required');
  const log = streamLog(process.stdout);
  // Everything it writes is for itself, or gets its mode said.
  process.umask(0o077);
  const held: { jobs?: Jobs } = {};
  const jobs = () => {
    if (held.jobs === undefined) throw new Error('jobs were asked for before the agent began');
    return held.jobs;
  };
  const agent = new Agent({
    dir: resolve(values.dir),
    // It runs from its own copy, `agent/<revision>/`.
    revision: values.revision ?? basename(dirname(resolve(process.argv[1] ?? ''))),
    log,
    kinds: [switchoverKind, restartKind, restoreKind(jobs), recloneKind],
    createJobs: (context) => {
      held.jobs = createJobs(context);
      return held.jobs;
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(0), STOP_LIMIT_MS).unref();
      void agent.stop().then(() => process.exit(0));
    });
  }
  await agent.start();
  log.info('agent started', { dir: values.dir, pid: process.pid });
}

main().catch((error: unknown) => {
  process.stderr.write(`cannot start the agent: ${messageOf(error)}\n`);
  process.exit(1);
});

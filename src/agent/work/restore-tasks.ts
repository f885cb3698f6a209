/**
 * The parts of a restore that happen on one unit: its room, its services, its data. Each finds its
 * effect there and does nothing then. What is destroyed and when is decided by restore.ts.
 */
import { rm } from 'node:fs/promises';
import { runitServices, type Services } from '../../../lib/machine/services.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Desired } from '../../charm/model/desired.ts';
import { decideLeftovers, type LeftoverMove } from '../decide/restore-leftovers.ts';
import { discard, endServerOn, putBack, tagsAside, walOf } from '../jobs/old-data.ts';
import type { Jobs } from '../jobs-port.ts';
import type { SettledPlace, Task } from './kind.ts';
import type { WorkRecord } from './record.ts';
import { measureRooms } from './restore-room.ts';

const STOP_MS = 120_000;
const SERVICE = 'patroni';

export function restoreTasks(jobs: () => Jobs): Record<string, Task> {
  return {
    ready: async () => ({}),
    async room({ desired: { paths } }, { clones }) {
      const databaseBytes = clones === undefined ? undefined : Number(clones);
      return { rooms: JSON.stringify(await measureRooms(paths.dataDir, databaseBytes)) };
    },
    async stop({ desired }) {
      await stop(desired);
      return {};
    },
    async begin(_, params) {
      // Only one restore is at work in a cluster: a running one is this one.
      const running = jobs()
        .list()
        .find((job) => job.kind === 'restore' && job.state === 'running');
      return { job: running?.id ?? (await jobs().start('restore', { ...params })) };
    },
    look: async (_, { job = '' }) => look(jobs(), job),
    async start({ desired }) {
      await servicesOf(desired).up(SERVICE);
      return {};
    },
    async reset({ desired }) {
      const { dataDir } = desired.paths;
      await stop(desired);
      const wal = await walOf(dataDir);
      if (wal !== undefined) await rm(wal, { recursive: true, force: true });
      await rm(dataDir, { recursive: true, force: true });
      await servicesOf(desired).up(SERVICE);
      return {};
    },
    async halt({ desired }) {
      for (const job of jobs().list()) {
        if (job.kind === 'restore' && job.state === 'running') await jobs().cancel(job.id);
      }
      await stop(desired);
      return {};
    },
    async back({ desired }, { tag = '' }) {
      const moved = await putBack(desired.paths.dataDir, tag);
      await servicesOf(desired).up(SERVICE);
      return { moved: String(moved) };
    },
    async discard({ desired }) {
      await discard(desired.paths.dataDir);
      return {};
    },
  };
}

/** For a unit that was away when its restore ended; the charm leaves Patroni down until then. */
export async function settleRestore(
  { desired, log }: SettledPlace,
  record: WorkRecord | undefined,
): Promise<void> {
  const { dataDir } = desired.paths;
  const tags = await tagsAside(dataDir);
  const restore = record?.kind === 'restore' ? record : undefined;
  const proven = restore?.memo['proven'] !== undefined;
  const decision = decideLeftovers(tags, restore && { ...restore, proven });
  if (decision.move === 'none') return;
  const services = servicesOf(desired);
  // Started against the charm's will it may be the primary by now: its data stay where they are.
  const runs = (await services.state(SERVICE))?.running === true;
  if (runs && decision.move === 'put-back') return;
  await putRight(dataDir, decision);
  log.info('a restore has ended while this unit was away', { oldData: decision.move });
  await services.up(SERVICE);
}

/** Safe to repeat after a crash between any two of its steps. */
export async function putRight(dataDir: string, decision: LeftoverMove): Promise<void> {
  if (decision.move === 'discard') await discard(dataDir);
  if (decision.move !== 'put-back') return;
  await endServerOn(dataDir);
  await putBack(dataDir, decision.tag);
}

/** Patroni, and a PostgreSQL that it may have left. */
async function stop(desired: Desired): Promise<void> {
  const services = servicesOf(desired);
  await services.down(SERVICE);
  if (!(await services.stopped(SERVICE, STOP_MS))) {
    throw new OperatorError({
      code: 'service-does-not-stop',
      message: `cannot stop Patroni of ${desired.unit.name}`,
      hint: 'see its log',
    });
  }
  await endServerOn(desired.paths.dataDir);
}

function servicesOf({ paths, unit }: Desired): Services {
  const options = { directory: paths.service, logs: paths.log, label: unit.member };
  return runitServices(options);
}

async function look(jobs: Jobs, id: string): Promise<Record<string, string>> {
  const job = jobs.list().find((each) => each.id === id);
  if (job === undefined) return { state: 'failed', message: `job ${id} is gone` };
  return { ...job.result, state: job.state, message: job.message };
}

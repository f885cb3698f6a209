/**
 * Clones a member anew through its own Patroni, which wipes it and takes a base backup. Ends when
 * Patroni has begun: the clone may take hours, and other work need not wait for it.
 *
 * Both the owner and the member's own unit look, just before, whether it may be: see
 * decide/reclone.ts.
 */
import { dirname, join } from 'node:path';
import { OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import type { Desired, Member } from '../../charm/model/desired.ts';
import {
  CLONING,
  type CloneRecord,
  cloneObstacle,
  NO_CLONES,
  readCloneRecord,
  withAttempt,
} from '../decide/reclone.ts';
import { tagsAside } from '../jobs/old-data.ts';
import type { TaskContext, WorkContext, WorkKind } from './kind.ts';

const LIMIT_MS = 120_000;
const ASK_MS = 30_000;

/**
 * Parameters: `member`; `release` = `true`: its quarantine and its attempts are forgotten first;
 * `attempt` = `true`: nobody asked for it, so that it counts as an attempt.
 */
export const recloneKind: WorkKind = {
  kind: 'reclone',
  limitMs: LIMIT_MS,
  async check(context) {
    const member = chosen(context);
    await refuseObstacle(context, member.member, false);
  },
  phases: [
    {
      name: 'release',
      async run(context) {
        if (context.params['release'] !== 'true') return;
        await context.ask(chosen(context), 'release', {}, ASK_MS);
        await context.note(`${chosen(context).unit} is no longer quarantined`);
      },
    },
    {
      name: 'clone',
      async run(context) {
        await refuseObstacle(context, chosen(context).member, false);
        const { attempt = '' } = context.params;
        await context.ask(chosen(context), 'clone', { attempt }, ASK_MS);
        await context.note(`${chosen(context).unit} is being cloned from the primary`);
      },
    },
  ],
  tasks: {
    async release({ desired }) {
      await writeCloneRecord(desired, NO_CLONES);
      return undefined;
    },
    async clone(context, { attempt }) {
      const { desired } = context;
      const { cluster } = await context.observe();
      const self = cluster.known
        ? cluster.value.members.find(({ name }) => name === desired.unit.member)
        : undefined;
      if (self?.state === CLONING) return undefined;
      await refuseObstacle(context, desired.unit.member, await hasOldData(desired));
      if (attempt === 'true') {
        // Before it is begun: one that ends this unit must count, too.
        const record = await cloneRecordOf(desired);
        await writeCloneRecord(desired, withAttempt(record, Date.now()));
      }
      await context.patroni(memberOf(desired, desired.unit.member)).reinitialize();
      return undefined;
    },
  },
};

export async function cloneRecordOf(desired: Desired): Promise<CloneRecord> {
  return readCloneRecord(await readIfExists(fileOf(desired))) ?? NO_CLONES;
}

export async function writeCloneRecord(desired: Desired, record: CloneRecord): Promise<void> {
  await writeAtomic(fileOf(desired), JSON.stringify(record));
}

export async function hasOldData({ paths }: Desired): Promise<boolean> {
  return (await tagsAside(paths.dataDir)).length > 0;
}

/** Beside desired.json. */
function fileOf({ paths }: Desired): string {
  return join(dirname(paths.run), 'reclone.json');
}

/** @throws OperatorError `reclone-refused` */
async function refuseObstacle(
  context: TaskContext,
  member: string,
  oldData: boolean,
): Promise<void> {
  // The work in progress is this one.
  const around = { ...(await context.observe()), work: undefined, member, oldData };
  const obstacle = cloneObstacle(around);
  if (obstacle !== undefined) throw refuse(member, obstacle);
}

function chosen({ desired, params }: WorkContext): Member {
  const member = params['member'] ?? '';
  const found = memberOf(desired, member);
  if (found === undefined) throw refuse(member, 'it is no unit of the application');
  return found;
}

function memberOf({ members }: Desired, name: string): Member | undefined {
  return members.find(({ member }) => member === name);
}

function refuse(member: string, obstacle: string): OperatorError {
  return new OperatorError({
    code: 'reclone-refused',
    message: `cannot clone ${member} again: ${obstacle}`,
    hint: 'its data stay as they are',
  });
}

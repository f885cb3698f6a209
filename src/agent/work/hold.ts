/**
 * Holds the clients of every pooler while the primary role moves, so that they see a pause and no
 * error. Best effort for each pooler by itself: one that cannot be held loses nobody but its own.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Member } from '../../charm/model/desired.ts';
import type { Task, WorkContext } from './kind.ts';

/** Longer than any switchover takes; a dead owner costs clients this much at most. */
const WINDOW_MS = 20_000;
const ASK_MS = 5000;
const RELEASE_MS = 10_000;

/** Parts that every kind with hold() and release() has to offer. */
export const poolerTasks: Readonly<Record<string, Task>> = {
  async 'hold-clients'({ pooler }) {
    const { held, clients } = await pooler.hold(WINDOW_MS);
    return { held: String(held), clients: String(clients) };
  },
  async 'release-clients'({ pooler }, { primary }) {
    await pooler.release(primary ?? '');
    return undefined;
  },
};

export async function hold(context: WorkContext): Promise<void> {
  const { members } = context.desired;
  const answers = await Promise.all(members.map((member) => holdOne(context, member)));
  const held = answers.filter((answer) => answer.held);
  await context.note(`clients wait at ${held.length} of ${members.length} poolers`);
  for (const { said } of answers) if (said !== undefined) await context.note(said);
}

async function holdOne(
  context: WorkContext,
  member: Member,
): Promise<{ held: boolean; said?: string }> {
  try {
    const answer = await context.ask(member, 'hold-clients', {}, ASK_MS);
    if (answer['held'] === 'true') return { held: true };
    const clients = Number(answer['clients']);
    const said = `${member.unit}: ${clients} clients of session pools lose their connection`;
    return clients > 0 ? { held: false, said } : { held: false };
  } catch (error) {
    return { held: false, said: `${member.unit}: not held: ${messageOf(error)}` };
  }
}

/**
 * Safe to repeat, and for poolers that were never held.
 *
 * @param to member that the poolers shall lead to first; undefined: release them as they are
 */
export async function release(context: WorkContext, to: string | undefined): Promise<void> {
  const { members } = context.desired;
  const primary = members.find((member) => member.member === to)?.address ?? '';
  await Promise.all(
    members.map(async (member) => {
      try {
        await context.ask(member, 'release-clients', { primary }, RELEASE_MS);
      } catch (error) {
        context.log.warning(`${member.unit}: clients not released: ${messageOf(error)}`);
      }
    }),
  );
}

/**
 * Holds the clients of every pooler while the primary role moves, so that they see a pause and no
 * error. All or none: where one pooler cannot be held, the others go on and nothing moves, unless
 * the work was asked to end open transactions, or to go on all the same.
 *
 * Clients of session pools cannot be held: they are counted and named before anything moves.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Member } from '../../charm/model/desired.ts';
import type { Task, WorkContext } from './kind.ts';

/** Parameters of every kind that holds clients, each `true` or absent. */
export const END_TRANSACTIONS = 'end-transactions';
export const FORCE = 'force';

/** Longer than any switchover takes; a dead owner costs clients this much at most. */
const WINDOW_MS = 20_000;
const ASK_MS = 5000;
const RELEASE_MS = 10_000;
/** An agent that is being restarted answers again within this, also on a busy machine. */
const COMEBACK_MS = 15_000;
/** Clients of the other poolers wait as long. */
const PATIENCE_MS = 3000;
const ASK_AGAIN_MS = 500;

/** Parts that every kind with hold() and release() has to offer. */
export const poolerTasks: Readonly<Record<string, Task>> = {
  async answer() {
    return undefined;
  },
  async 'hold-clients'({ pooler }) {
    try {
      const { held, clients } = await pooler.hold(WINDOW_MS);
      return { held: String(held), clients: String(clients) };
    } catch (error) {
      // The owner goes by the code, which an answer over the wire would lose.
      if (error instanceof OperatorError) return { refused: error.code, reason: error.message };
      throw error;
    }
  },
  async 'release-clients'({ pooler }, { primary }) {
    await pooler.release(primary ?? '');
    return undefined;
  },
};

interface Outcome {
  member: Member;
  held: boolean;
  /** Clients of session pools, who lose their connection. */
  clients: number;
  /** Why this pooler is not held, and whether an open transaction is the reason. */
  obstacle?: { reason: string; transaction: boolean };
}

/** @throws OperatorError `clients-not-held`; whoever calls lets all of them go again */
export async function hold(context: WorkContext): Promise<void> {
  const { members } = context.desired;
  // Before anybody waits: who is only being restarted is no reason to give up.
  await Promise.all(members.map((member) => untilAnswers(context, member)));
  const outcomes = await holdAll(context, members);
  for (const { member, clients } of outcomes) {
    if (clients === 0) continue;
    await context.note(`${member.unit}: ${clients} clients of session pools lose their connection`);
  }
  const obstacles = outcomes.filter(({ obstacle }) => obstacle !== undefined);
  await judge(context, obstacles);
  const held = outcomes.filter((outcome) => outcome.held);
  await context.note(`clients wait at ${held.length} of ${outcomes.length} poolers`);
}

async function untilAnswers(context: WorkContext, member: Member): Promise<void> {
  const deadline = Date.now() + COMEBACK_MS;
  while (Date.now() < deadline && !isGone(context, member)) {
    const answers = await context.ask(member, 'answer', {}, ASK_MS).then(
      () => true,
      // An older agent knows no such task, and has said so.
      (error: unknown) => !(error instanceof OperatorError && error.retry === 'now'),
    );
    if (answers) return;
    await context.sleep(ASK_AGAIN_MS);
  }
}

/** Open transactions are ended at once where that is asked for: everybody else waits for them. */
async function holdAll(context: WorkContext, members: readonly Member[]): Promise<Outcome[]> {
  const outcomes = await Promise.all(members.map((member) => holdOne(context, member)));
  const open = outcomes.filter(({ obstacle }) => obstacle?.transaction);
  if (open.length === 0 || context.params[END_TRANSACTIONS] !== 'true') return outcomes;
  await context.note(`${await endTransactions(context)} open transactions ended`);
  const again = await Promise.all(open.map(({ member }) => holdOne(context, member)));
  return outcomes.map((outcome) => again.find((a) => a.member === outcome.member) ?? outcome);
}

async function holdOne(context: WorkContext, member: Member): Promise<Outcome> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const answer = await context.ask(member, 'hold-clients', {}, ASK_MS);
      const { refused, reason = '' } = answer;
      if (refused === undefined) {
        const held = answer['held'] === 'true';
        return { member, held, clients: held ? 0 : Number(answer['clients']) };
      }
      const obstacle = { reason, transaction: refused === 'pooler-timeout' };
      return { member, held: false, clients: 0, obstacle };
    } catch (error) {
      if (Date.now() >= deadline || isGone(context, member)) {
        const obstacle = { reason: messageOf(error), transaction: false };
        return { member, held: false, clients: 0, obstacle };
      }
      await context.sleep(ASK_AGAIN_MS);
    }
  }
}

/** A unit without a running member is gone as a whole, and nobody is connected through it. */
function isGone(context: WorkContext, { member }: Member): boolean {
  const { cluster } = context.world();
  if (!cluster.known) return false;
  const found = cluster.value.members.find(({ name }) => name === member);
  return found === undefined || !['running', 'streaming'].includes(found.state);
}

async function judge(context: WorkContext, obstacles: readonly Outcome[]): Promise<void> {
  for (const { member, obstacle } of obstacles) {
    const gone = !obstacle?.transaction && isGone(context, member);
    if (!gone && context.params[FORCE] !== 'true') throw notHeld(member, obstacle);
    await context.note(`${member.unit}: not held: ${gone ? 'the unit is down' : obstacle?.reason}`);
  }
}

function notHeld({ unit }: Member, obstacle: Outcome['obstacle']): OperatorError {
  const { transaction = false, reason = '' } = obstacle ?? {};
  const hint = transaction
    ? `wait until the transaction has ended, or give ${END_TRANSACTIONS}=true`
    : `mend the unit, or give ${FORCE}=true`;
  return new OperatorError({
    code: 'clients-not-held',
    message: transaction
      ? `cannot hold the clients of ${unit}: a transaction stays open`
      : `cannot hold the clients of ${unit}: ${reason}`,
    hint,
  });
}

/** Older than the poolers have waited by now: clients of the pooler and of PostgreSQL alike. */
async function endTransactions(context: WorkContext): Promise<number> {
  const { superuser, replicationUser } = context.desired.postgres;
  const sql = await context.primarySql();
  try {
    const rows = await sql.query(
      `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
          AND usename <> ALL ($1) AND xact_start < pg_catalog.now() - interval '1 second'`,
      [[superuser, replicationUser]],
    );
    return rows.length;
  } finally {
    await sql.close();
  }
}

/**
 * Safe to repeat, and for poolers that were never held.
 *
 * @param to member that the poolers shall lead to first; undefined: whoever is primary now
 */
export async function release(context: WorkContext, to: string | undefined): Promise<void> {
  const { members } = context.desired;
  const wanted = to ?? primaryNow(context);
  const primary = members.find((member) => member.member === wanted)?.address ?? '';
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

function primaryNow(context: WorkContext): string | undefined {
  const { cluster } = context.world();
  if (!cluster.known) return undefined;
  return cluster.value.members.find(({ role }) => role === 'primary')?.name;
}

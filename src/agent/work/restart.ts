/**
 * Restarts PostgreSQL everywhere, one member at a time: replicas first, then the primary role moves
 * to one of them, then the old primary. Clients of transaction pools are held for each of the two
 * moments at which there is no primary, and see a pause.
 *
 * A parameter that standbys must not have less of than their primary is lowered the other way
 * round: while the primary has more, a standby starts with the old value whatever it is told
 * (Patroni, postgresql/config.py). The primary is then restarted first, in its place.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { ClusterMember, ClusterView } from '../../charm/model/world.ts';
import { noPrimary } from './context.ts';
import { hold, poolerTasks, release } from './hold.ts';
import type { WorkContext, WorkKind } from './kind.ts';
import { checkpoint, choose, seeCluster, switchTo, untilWritable } from './switchover.ts';

const LIMIT_MS = 30 * 60_000;
const RESTART_MS = 300_000;
const REJOIN_MS = 300_000;
const LOOK_EVERY_MS = 500;
/** A member streams already while its Patroni still ends the demotion that led there. */
const BUSY_MS = 60_000;
/** Patroni's words for it (async_executor.py). */
const IS_BUSY = /already in progress/;
const REPLAYED = `
  SELECT pid FROM pg_catalog.pg_stat_replication
    WHERE application_name = $1 AND replay_lsn >= $2::pg_catalog.pg_lsn`;
/** How long a successor is tried; then the primary is restarted in its place. */
const MOVE_MS = 60_000;
/** Members hear of a change one after the other, at the latest with Patroni's next round. */
const GATHER_MS = 12_000;

/**
 * Parameter `only-pending` = `true`: leave out members that need no restart. What is done about
 * clients that cannot be held: see hold.ts.
 */
export const restartKind: WorkKind = {
  kind: 'restart',
  limitMs: LIMIT_MS,
  async check(context) {
    const cluster = await seeCluster(context);
    if (!cluster.members.some((member) => member.role === 'primary')) throw noPrimary();
  },
  phases: [
    { name: 'gather', run: gather },
    { name: 'lowered', run: restartPrimaryFirst },
    { name: 'replicas', run: restartReplicas },
    { name: 'switchover', run: moveAway },
    { name: 'old-primary', run: restartOldPrimary },
  ],
  tasks: poolerTasks,
  undo: (context) => release(context, undefined),
};

/** Whoever hears of the change a moment later shall not need a second round. */
async function gather(context: WorkContext): Promise<void> {
  const deadline = Date.now() + GATHER_MS;
  let cluster = await seeCluster(context);
  const late = () => cluster.members.filter((each) => isRunning(each) && !each.pendingRestart);
  while (context.params['only-pending'] === 'true' && late().length > 0 && Date.now() < deadline) {
    await context.sleep(LOOK_EVERY_MS);
    cluster = await seeCluster(context);
  }
  const primary = cluster.members.find((member) => member.role === 'primary');
  if (primary === undefined) throw noPrimary();
  if (context.memo['primary'] !== undefined) return;
  const lowered = cluster.members.length > 1 ? await loweredParameters(context, cluster) : [];
  await context.remember({ primary: primary.name, lowered: lowered.join(', ') });
}

/** What standbys check against their primary (postgresql.org/docs, hot standby). */
const NOT_LESS_THAN_PRIMARY = [
  'max_connections',
  'max_locks_per_transaction',
  'max_prepared_transactions',
  'max_wal_senders',
  'max_worker_processes',
];

async function loweredParameters(context: WorkContext, cluster: ClusterView): Promise<string[]> {
  const { postgresql } = cluster.dynamic as { postgresql?: { parameters?: object } };
  const wanted = new Map<string, unknown>(Object.entries(postgresql?.parameters ?? {}));
  const sql = await context.primarySql();
  try {
    const rows = await sql.query<{ name: string; setting: string }>(
      'SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY($1) ORDER BY name',
      [NOT_LESS_THAN_PRIMARY],
    );
    return rows
      .filter(({ name, setting }) => Number(wanted.get(name) ?? setting) < Number(setting))
      .map(({ name }) => name);
  } finally {
    await sql.close();
  }
}

async function restartPrimaryFirst(context: WorkContext): Promise<void> {
  const { lowered = '', primary = '' } = context.memo;
  if (lowered === '') return;
  const member = memberNamed((await seeCluster(context)).members, primary);
  if (member === undefined || member.role !== 'primary' || isDone(context, member)) return;
  await context.note(`the primary first: ${lowered} is lowered`);
  await restartInPlace(context, member);
}

async function restartReplicas(context: WorkContext): Promise<void> {
  const { members } = await seeCluster(context);
  for (const { name } of members) {
    if (name === context.memo['primary']) continue;
    // Looked at anew: the restarts before it have taken their time.
    const member = memberNamed((await seeCluster(context)).members, name);
    if (member === undefined || isDone(context, member)) continue;
    // Only from the primary does a standby learn that it may start with less.
    if (context.memo['lowered'] !== '' && isRunning(member)) await untilReplayed(context, name);
    await restartMember(context, member);
    await untilStreaming(context, name);
    await context.remember({ [doneKey(name)]: 'true' });
  }
}

async function moveAway(context: WorkContext): Promise<void> {
  const deadline = Date.now() + MOVE_MS;
  const old = context.memo['primary'] ?? '';
  for (;;) {
    const cluster = await seeCluster(context);
    const now = cluster.members.find((member) => member.role === 'primary');
    // A failover in between has moved it already.
    if (now === undefined || now.name !== old || isDone(context, now)) return;
    const to = await successor(context, cluster);
    if (to === undefined) return;
    await context.remember({ moved: 'true' });
    await context.note(`from ${old} to ${to}`);
    await checkpoint(context, to);
    await hold(context);
    const refusal = await refusalOf(switchTo(context, to));
    if (refusal === undefined) {
      await untilWritable(context, to);
      return await release(context, to);
    }
    await release(context, undefined);
    await context.note(refusal.message);
    await context.remember({ moved: 'false' });
    if (Date.now() > deadline) return;
    await context.sleep(LOOK_EVERY_MS);
  }
}

/** A replica that has just come back is synchronous for Patroni a moment later than for us. */
async function refusalOf(move: Promise<void>): Promise<OperatorError | undefined> {
  try {
    await move;
    return undefined;
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'patroni-refused') return error;
    throw error;
  }
}

/** Undefined: nobody is fit to take over, and the primary is restarted in its place. */
async function successor(context: WorkContext, cluster: ClusterView): Promise<string | undefined> {
  if (cluster.members.length < 2) return undefined;
  try {
    return (await choose(context)).to;
  } catch (error) {
    await context.note(messageOf(error));
    return undefined;
  }
}

async function restartOldPrimary(context: WorkContext): Promise<void> {
  const old = context.memo['primary'] ?? '';
  const moved = context.memo['moved'] === 'true';
  // Demoted, it has started anew with the present parameters; only what is still pending counts.
  if (moved) await untilStreaming(context, old);
  const member = memberNamed((await seeCluster(context)).members, old);
  if (member === undefined || isDone(context, member)) return;
  if (member.role === 'primary') return await restartInPlace(context, member);
  if (moved && !member.pendingRestart) return;
  await restartMember(context, member);
  await untilStreaming(context, old);
  await context.remember({ [doneKey(old)]: 'true' });
}

/** Clients wait; a checkpoint before makes it short. */
async function restartInPlace(context: WorkContext, member: ClusterMember): Promise<void> {
  await checkpoint(context, '');
  await hold(context);
  await restartMember(context, member);
  await untilWritable(context, member.name);
  await release(context, member.name);
  await context.remember({ [doneKey(member.name)]: 'true' });
}

async function restartMember(context: WorkContext, member: ClusterMember): Promise<void> {
  await context.note(`restarting ${member.name}`);
  const target = context.desired.members.find((each) => each.member === member.name);
  if (target === undefined) return;
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    const refusal = await refusalOf(context.patroni(target).restart(RESTART_MS));
    if (refusal === undefined) return;
    if (!IS_BUSY.test(refusal.message) || Date.now() > deadline) throw refusal;
    await context.sleep(LOOK_EVERY_MS);
  }
}

async function untilStreaming(context: WorkContext, name: string): Promise<void> {
  const deadline = Date.now() + REJOIN_MS;
  while (Date.now() < deadline) {
    const { cluster } = await context.observe();
    if (cluster.known && memberNamed(cluster.value.members, name)?.streaming) return;
    await context.sleep(LOOK_EVERY_MS);
  }
  throw incomplete(name);
}

/**
 * It has applied what the primary has written until now. That Patroni calls it streaming may be of
 * before the primary's restart, or a moment before it reads what the primary has less of.
 */
async function untilReplayed(context: WorkContext, name: string): Promise<void> {
  const deadline = Date.now() + REJOIN_MS;
  const sql = await context.primarySql();
  try {
    const [now] = await sql.query<{ lsn: string }>(
      'SELECT pg_catalog.pg_current_wal_lsn()::text AS lsn',
    );
    while (Date.now() < deadline) {
      if ((await sql.query(REPLAYED, [name, now?.lsn])).length > 0) return;
      await context.sleep(LOOK_EVERY_MS);
    }
  } finally {
    await sql.close();
  }
  throw incomplete(name);
}

function incomplete(name: string): OperatorError {
  return new OperatorError({
    code: 'restart-incomplete',
    message: `cannot go on restarting: ${name} does not stream again after ${REJOIN_MS / 1000} s`,
    hint: `see the logs of PostgreSQL on ${name}`,
  });
}

const doneKey = (member: string) => `done-${member}`;

function isDone(context: WorkContext, member: ClusterMember): boolean {
  return context.memo[doneKey(member.name)] === 'true' || isSkipped(context, member);
}

function isSkipped(context: WorkContext, member: ClusterMember): boolean {
  return context.params['only-pending'] === 'true' && !member.pendingRestart;
}

function isRunning({ state }: ClusterMember): boolean {
  return state === 'running' || state === 'streaming';
}

function memberNamed(members: readonly ClusterMember[], name: string): ClusterMember | undefined {
  return members.find((member) => member.name === name);
}

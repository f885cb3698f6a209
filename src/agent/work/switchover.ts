/**
 * Hands the primary role to another member without loss: only to one that streams and has caught
 * up, after a checkpoint that shortens the stall, while the poolers hold their clients. Phases that
 * find their effect there do nothing.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { bestCandidate, MAX_CANDIDATE_LAG_BYTES, unfitness } from '../../charm/model/candidate.ts';
import type { ClusterMember, ClusterView } from '../../charm/model/world.ts';
import { noPrimary } from './context.ts';
import { hold, poolerTasks, release } from './hold.ts';
import type { TaskContext, WorkContext, WorkKind } from './kind.ts';

const LIMIT_MS = 120_000;
const PATRONI_MS = 60_000;
const WRITABLE_MS = 60_000;
const LOOK_EVERY_MS = 50;
/** Patroni looks at its replicas every 10 s where its clocks are the slowest. */
const PATIENCE_MS = 15_000;
/** With its clients held a primary writes little: a replica that streams has soon caught up. */
const CATCH_UP_MS = 3000;
const CAUGHT_UP_EVERY_MS = 20;
const LAG_QUERY = `
  SELECT pg_catalog.pg_wal_lsn_diff(
      pg_catalog.pg_current_wal_lsn(), replay_lsn)::float8 AS lag
    FROM pg_catalog.pg_stat_replication
    WHERE application_name = $1 AND state = 'streaming'`;

/**
 * Parameter `to`: the member that shall be primary; without it, the best one. What is done about
 * clients that cannot be held: see hold.ts.
 */
export const switchoverKind: WorkKind = {
  kind: 'switchover',
  limitMs: LIMIT_MS,
  async check(context) {
    await choose(context);
  },
  phases: [
    { name: 'choose', run: rememberChoice },
    { name: 'checkpoint', run: (context) => checkpoint(context, context.memo['to'] ?? '') },
    { name: 'hold', run: hold },
    { name: 'switchover', run: (context) => switchTo(context, context.memo['to'] ?? '') },
    { name: 'release', run: finish },
  ],
  tasks: poolerTasks,
  undo: (context) => release(context, undefined),
};

async function rememberChoice(context: WorkContext): Promise<void> {
  // An owner that took over must not choose again: the move may be half done.
  if (context.memo['to'] !== undefined) return;
  const { from, to } = await choose(context);
  await context.remember({ from, to });
  await context.note(from === to ? `${to} is primary already` : `from ${from} to ${to}`);
}

async function finish(context: WorkContext): Promise<void> {
  const to = context.memo['to'] ?? '';
  await untilWritable(context, to);
  await release(context, to);
  await context.result({ primary: to, 'previous-primary': context.memo['from'] ?? '' });
}

/**
 * Patient for a moment: a member that has just joined, or come back, is about to become fit.
 *
 * @throws OperatorError that names the member and why it cannot take over
 */
export async function choose(context: WorkContext): Promise<Choice> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = tryToChoose(await seeCluster(context), context.params['to']);
    if (!('unfit' in answer)) return answer;
    if (Date.now() >= deadline) throw refuse(answer.unfit, 'a replica must stream without lag');
    await context.sleep(LOOK_EVERY_MS);
  }
}

interface Choice {
  from: string;
  to: string;
}

function tryToChoose(cluster: ClusterView, wanted: string | undefined): Choice | { unfit: string } {
  const primary = primaryOf(cluster);
  if (primary === undefined) throw noPrimary();
  if (wanted === primary.name) return { from: primary.name, to: wanted };
  if (cluster.paused) throw refuse('the cluster is paused', 'resume it with patronictl resume');
  if (wanted === undefined) {
    const best = bestCandidate(cluster);
    if (best === undefined) return { unfit: 'no member is fit to take over' };
    return { from: primary.name, to: best.name };
  }
  const target = cluster.members.find((member) => member.name === wanted);
  if (target === undefined) throw refuse(`no member ${wanted}`, 'see patronictl list');
  const reason = unfitness(target) ?? asynchrony(target, cluster);
  if (reason !== undefined) return { unfit: `${target.name} cannot take over: ${reason}` };
  return { from: primary.name, to: target.name };
}

/** In synchronous mode Patroni hands over only to a member that it has made synchronous. */
function asynchrony(target: ClusterMember, { dynamic }: ClusterView): string | undefined {
  if (dynamic['synchronous_mode'] !== true || target.role === 'sync-standby') return undefined;
  return 'it is no synchronous standby';
}

/** Done before, it need not be done while clients wait. */
export async function checkpoint(context: WorkContext, to: string): Promise<void> {
  if (primaryOf(await seeCluster(context))?.name === to) return;
  const sql = await context.primarySql();
  try {
    await sql.query('CHECKPOINT');
  } finally {
    await sql.close();
  }
}

export async function switchTo(context: WorkContext, to: string): Promise<void> {
  // Not observed anew: clients wait, and Patroni refuses what has changed meanwhile.
  const { cluster } = context.world();
  const primary = primaryOf(cluster.known ? cluster.value : await seeCluster(context));
  if (primary?.name === to) return;
  if (primary === undefined) return; // On its way; the next phase sees how it ends.
  await untilCaughtUp(context, to);
  const leader = context.desired.members.find((member) => member.member === primary.name);
  // Asked at the leader itself, which acts on it at once instead of in its next round.
  const asked = context.patroni(leader).switchover(primary.name, to, PATRONI_MS);
  const answered = asked.then(
    () => 'done' as const,
    (error: unknown) => ({ error }),
  );
  // Patroni answers most of a second after the new primary accepts writes: clients need not wait.
  for (;;) {
    if (await isWritable(context, to)) return;
    const answer = await Promise.race([answered, context.sleep(LOOK_EVERY_MS)]);
    if (answer === undefined) continue;
    if (answer === 'done') return;
    if (primaryOf(await seeCluster(context))?.name === primary.name) throw answer.error;
    context.log.info(`switchover reported: ${messageOf(answer.error)}; the primary did change`);
    return;
  }
}

/**
 * No lag at all, or, where somebody goes on writing past the pooler, so little that it is fit.
 * Asked at the primary itself: clients wait for the answer.
 */
async function untilCaughtUp(context: WorkContext, to: string): Promise<void> {
  const sql = await context.primarySql();
  try {
    const deadline = Date.now() + CATCH_UP_MS;
    for (;;) {
      const [row] = await sql.query<{ lag: number }>(LAG_QUERY, [to]);
      if (row?.lag === 0) return;
      if (Date.now() >= deadline) {
        if (row !== undefined && row.lag <= MAX_CANDIDATE_LAG_BYTES) return;
        const reason = row === undefined ? 'it does not stream' : `it lags by ${row.lag} bytes`;
        throw refuse(`${to} cannot take over: ${reason}`, 'try again');
      }
      await context.sleep(CAUGHT_UP_EVERY_MS);
    }
  } finally {
    await sql.close();
  }
}

async function isWritable(context: TaskContext, to: string): Promise<boolean> {
  const { cluster, database } = await context.observe();
  return cluster.known && primaryOf(cluster.value)?.name === to && database.known;
}

/** Until our own connection to the new primary finds it out of recovery. */
export async function untilWritable(context: TaskContext, to: string): Promise<void> {
  const deadline = Date.now() + WRITABLE_MS;
  while (Date.now() < deadline) {
    const { cluster, database } = await context.observe();
    const primary = cluster.known ? primaryOf(cluster.value) : undefined;
    if (primary?.name === to && database.known) return;
    if (primary !== undefined && primary.name !== to && database.known) {
      throw refuse(`${primary.name} is primary instead of ${to}`, 'see the logs of Patroni');
    }
    await context.sleep(LOOK_EVERY_MS);
  }
  throw refuse(`${to} did not accept writes within a minute`, 'see the logs of Patroni');
}

function primaryOf(cluster: ClusterView): ClusterMember | undefined {
  return cluster.members.find((member) => member.role === 'primary');
}

/**
 * The cluster as it is now. On a busy machine no Patroni may answer in time once: that alone ends
 * no work that is half done.
 *
 * @throws OperatorError `cluster-unknown`
 */
export async function seeCluster(context: TaskContext): Promise<ClusterView> {
  const deadline = Date.now() + PATIENCE_MS;
  let { cluster } = await context.observe();
  while (!cluster.known && Date.now() < deadline) {
    await context.sleep(LOOK_EVERY_MS);
    cluster = (await context.observe()).cluster;
  }
  if (cluster.known) return cluster.value;
  throw new OperatorError({
    code: 'cluster-unknown',
    message: `cannot see the cluster: ${cluster.reason}`,
    retry: 'now',
  });
}

function refuse(reason: string, hint: string): OperatorError {
  return new OperatorError({
    code: 'switchover-refused',
    message: `cannot switch over: ${reason}`,
    hint,
  });
}

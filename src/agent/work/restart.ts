/**
 * Restarts PostgreSQL everywhere, one member at a time: replicas first, then the primary role moves
 * to one of them, then the old primary. A cluster of one is restarted in place.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import { bestCandidate } from '../../charm/model/candidate.ts';
import type { ClusterMember } from '../../charm/model/world.ts';
import { noPrimary } from './context.ts';
import { hold, poolerTasks, release } from './hold.ts';
import type { WorkContext, WorkKind } from './kind.ts';
import { checkpoint, clusterOf, switchTo, untilWritable } from './switchover.ts';

const LIMIT_MS = 30 * 60_000;
const RESTART_MS = 300_000;
const REJOIN_MS = 300_000;
const LOOK_EVERY_MS = 500;

/** Parameter `only-pending` = `true`: leave out members that need no restart. */
export const restartKind: WorkKind = {
  kind: 'restart',
  limitMs: LIMIT_MS,
  async check(context) {
    const cluster = clusterOf(await context.observe());
    if (!cluster.members.some((member) => member.role === 'primary')) throw noPrimary();
  },
  phases: [
    { name: 'replicas', run: restartReplicas },
    { name: 'switchover', run: moveAway },
    { name: 'old-primary', run: restartOldPrimary },
  ],
  tasks: poolerTasks,
  undo: (context) => release(context, undefined),
};

async function restartReplicas(context: WorkContext): Promise<void> {
  const members = clusterOf(await context.observe()).members;
  const primary = members.find((member) => member.role === 'primary');
  if (primary === undefined) throw noPrimary();
  if (context.memo['primary'] === undefined) await context.remember({ primary: primary.name });
  for (const member of members) {
    if (member.name === context.memo['primary'] || isDone(context, member)) continue;
    await restartMember(context, member);
    await untilStreaming(context, member.name);
    await context.remember({ [doneKey(member.name)]: 'true' });
  }
}

async function moveAway(context: WorkContext): Promise<void> {
  const cluster = clusterOf(await context.observe());
  const old = context.memo['primary'] ?? '';
  const now = cluster.members.find((member) => member.role === 'primary');
  if (now === undefined || isSkipped(context, now)) return;
  const to = context.memo['to'] ?? bestCandidate(cluster)?.name;
  if (now.name !== old || to === undefined) {
    // A failover in between has moved it already; with nobody fit it is restarted in place.
    if (now.name === old) await context.note(`no member can take over from ${old}`);
    return;
  }
  await context.remember({ to });
  await context.note(`from ${old} to ${to}`);
  await checkpoint(context, to);
  await hold(context);
  await switchTo(context, to);
  await untilWritable(context, to);
  await release(context, to);
}

async function restartOldPrimary(context: WorkContext): Promise<void> {
  const old = context.memo['primary'] ?? '';
  const moved = context.memo['to'] !== undefined;
  if (moved) {
    // Demoted, it has started anew with the present parameters; only what is still pending counts.
    await untilStreaming(context, old);
    const again = memberNamed(clusterOf(await context.observe()).members, old);
    if (again?.pendingRestart !== true) return;
  }
  const member = memberNamed(clusterOf(await context.observe()).members, old);
  if (member === undefined || isDone(context, member)) return;
  await restartMember(context, member);
  if (moved) await untilStreaming(context, old);
  else await untilWritable(context, old);
  await context.remember({ [doneKey(old)]: 'true' });
}

async function restartMember(context: WorkContext, member: ClusterMember): Promise<void> {
  await context.note(`restarting ${member.name}`);
  const target = context.desired.members.find((each) => each.member === member.name);
  if (target === undefined) return;
  await context.patroni(target).restart(RESTART_MS);
}

async function untilStreaming(context: WorkContext, name: string): Promise<void> {
  const deadline = Date.now() + REJOIN_MS;
  while (Date.now() < deadline) {
    const { cluster } = await context.observe();
    if (cluster.known && memberNamed(cluster.value.members, name)?.streaming) return;
    await context.sleep(LOOK_EVERY_MS);
  }
  throw new OperatorError({
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

function memberNamed(members: readonly ClusterMember[], name: string): ClusterMember | undefined {
  return members.find((member) => member.name === name);
}

/**
 * Restores the cluster from the repository. Everything that can be refused is refused before any
 * member stops. One member restores beside its old data and proves the result on a server of its
 * own; only then do the others give up theirs. Until that proof, undoing is a rename.
 *
 * While members are down, Patroni's key `sync` names the restoring one: in synchronous mode no
 * other may take the lead, not even a unit that was away and comes back with old data.
 */
import { formatDurationMs } from '../../../lib/std/duration.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Member } from '../../charm/model/desired.ts';
import type { Repository } from '../../charm/model/repository.ts';
import {
  parseRequest,
  type RestoreTarget,
  selectTarget,
} from '../../charm/model/restore-target.ts';
import { type Room, roomRefusal, type UnitRoom } from '../decide/restore-room.ts';
import type { Jobs } from '../jobs-port.ts';
import type { WorkContext, WorkKind, WorkParams } from './kind.ts';
import { restoreTasks, settleRestore } from './restore-tasks.ts';
import { seeCluster, untilWritable } from './switchover.ts';

const LIMIT_MS = 24 * 3600_000;
const ASK_MS = 10_000;
/** A unit that is short of room adds up its data. */
const MEASURE_MS = 120_000;
const STOP_MS = 200_000;
const LOOK_EVERY_MS = 500;
/** A quarter of a minute; the operator waits for the refusal. */
const COMEBACK_LOOKS = 30;
/** The agent of the restoring unit may be restarting; its job goes on meanwhile. */
const PATIENCE_MS = 30_000;
const ARCHIVE_MS = 60_000;
const CLONE_MS = 900_000;
const SERVED_MS = 50_000;

/** Params: `backup-id`, `restore-to-time`; see model/restore-target.ts. */
export function restoreKind(jobs: () => Jobs): WorkKind {
  return {
    kind: 'restore',
    limitMs: LIMIT_MS,
    async check(context) {
      const parsed = parseRequest(requestOf(context));
      if (!parsed.ok) throw refuse(parsed.reason);
      await choose(context, jobs());
    },
    phases: [
      { name: 'check', run: (context) => rememberChoice(context, jobs()) },
      { name: 'archive', run: archiveLast },
      { name: 'stop', run: stopAll },
      { name: 'restore', run: restoreOne },
      { name: 'start', run: startOne },
      { name: 'clone', run: cloneOthers },
      { name: 'clean', run: clean },
    ],
    tasks: restoreTasks(jobs),
    undo,
    settle: settleRestore,
  };
}

interface Choice {
  target: RestoreTarget;
  member: Member;
  systemIdentifier: string;
}

/** @throws OperatorError whose message is all that the operator needs to correct the request */
async function choose(context: WorkContext, jobs: Jobs): Promise<Choice> {
  const cluster = await seeCluster(context);
  const systemIdentifier = cluster.initialized ?? '';
  const primary = cluster.members.find(({ role }) => role === 'primary')?.name;
  const own = context.desired.unit.member;
  const member = context.desired.members.find((each) => each.member === (primary ?? own));
  if (member === undefined) throw refuse('cannot restore: the primary is no unit of this charm');
  await refuseSilentMembers(context);
  const id = await jobs.start('list', { 'system-identifier': systemIdentifier });
  const { outcome, message, result } = await jobs.follow(id, () => undefined, context.signal);
  if (outcome !== 'done') throw refuse(message);
  if (result['foreign'] !== '') {
    const reason = `the S3 repository has backups from another cluster: ${result['foreign']}`;
    throw refuse(`cannot restore: ${reason}`);
  }
  const repository = JSON.parse(result['repository'] ?? '{}') as Repository;
  const selection = selectTarget(requestOf(context), repository, Date.now() / 1000);
  if (!selection.ok) throw refuse(selection.reason);
  return { target: selection, member, systemIdentifier };
}

/**
 * A member that runs but whose agent does not answer could not be stopped. One that was late once,
 * or is being restarted, is looked at again.
 */
async function refuseSilentMembers(context: WorkContext): Promise<void> {
  const { unit, members } = context.desired;
  for (let look = 1; ; look += 1) {
    const { members: running } = await seeCluster(context);
    const { peers } = context.world();
    const runs = (name: string) =>
      running.some((each) => each.name === name && each.state !== 'stopped');
    const silent = members.find(
      (each) => each.unit !== unit.name && peers[each.unit]?.known !== true && runs(each.member),
    );
    if (silent === undefined) return;
    if (look > COMEBACK_LOOKS) {
      throw refuse(`cannot restore: ${silent.unit} is a running member and does not answer`);
    }
    await context.sleep(LOOK_EVERY_MS);
  }
}

async function answers(context: WorkContext, member: Member): Promise<boolean> {
  return context.ask(member, 'ready', {}, ASK_MS).then(
    () => true,
    () => false,
  );
}

async function rememberChoice(context: WorkContext, jobs: Jobs): Promise<void> {
  if (context.memo['member'] !== undefined) return;
  const { target, member, systemIdentifier } = await choose(context, jobs);
  await refuseSmallDisks(context, member, target.size);
  await context.remember({
    member: member.member,
    target: JSON.stringify(target),
    'system-identifier': systemIdentifier,
  });
  await context.note(`restoring on ${member.unit}: ${target.description}`);
}

/** Before anything stops. Who is down is measured by nobody: it clones when it is back. */
async function refuseSmallDisks(context: WorkContext, member: Member, size: number): Promise<void> {
  const { members } = context.desired;
  const measured = members.map(async (each): Promise<UnitRoom | undefined> => {
    const part = each.member === member.member ? 'restores' : 'clones';
    if (part === 'clones' && !(await answers(context, each))) return undefined;
    const params: WorkParams = part === 'clones' ? { clones: String(size) } : {};
    const { rooms = '[]' } = await context.ask(each, 'room', params, MEASURE_MS);
    return { unit: each.unit, part, rooms: JSON.parse(rooms) as Room[] };
  });
  const units = (await Promise.all(measured)).filter((each) => each !== undefined);
  const refusal = roomRefusal(size, units);
  if (refusal !== undefined) throw refusal;
}

/** What was written up to now must be in the archive, for a moment that is only just past. */
async function archiveLast(context: WorkContext): Promise<void> {
  try {
    const sql = await context.primarySql();
    try {
      // Recovery to a moment needs a commit behind it to know that the moment has passed; on a
      // quiet database this is the only one.
      await sql.query('SELECT pg_catalog.pg_current_xact_id()');
      const [row] = await sql.query<{ name: string }>(
        'SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal()) AS name',
      );
      const deadline = Date.now() + ARCHIVE_MS;
      while (Date.now() < deadline) {
        const [seen] = await sql.query<{ done: boolean }>(
          'SELECT last_archived_wal >= $1 AS done FROM pg_catalog.pg_stat_archiver',
          [row?.name],
        );
        if (seen?.done === true) return;
        await context.sleep(LOOK_EVERY_MS);
      }
      await context.note('the newest changes did not reach the archive within a minute');
    } finally {
      await sql.close();
    }
  } catch (error) {
    // A cluster without a primary is what a restore may be for.
    await context.note(`cannot archive the newest changes: ${messageOf(error)}`);
  }
}

/** Replicas first: they must not take over when the primary goes. */
async function stopAll(context: WorkContext): Promise<void> {
  if (context.memo['sync'] === undefined) {
    const sync = await context.etcd.get(keyOf(context)('sync'));
    await context.remember({ sync: sync?.value ?? '' });
  }
  const stops = others(context).map(async (member) => {
    if (!(await answers(context, member))) {
      await context.note(`${member.unit} does not answer: it clones when it is back`);
      return;
    }
    await context.note(`stopping ${member.unit}`);
    await context.ask(member, 'stop', {}, STOP_MS);
  });
  await Promise.all(stops);
  await context.note(`stopping ${chosen(context).unit}`);
  await context.ask(chosen(context), 'stop', {}, STOP_MS);
}

async function restoreOne(context: WorkContext): Promise<void> {
  await fence(context);
  const member = chosen(context);
  const { set, type, target, timeline } = JSON.parse(
    context.memo['target'] ?? '{}',
  ) as RestoreTarget;
  const { job = '' } = await context.ask(
    member,
    'begin',
    {
      ...{ tag: context.id, set, type, target: target ?? '', timeline: String(timeline) },
      'system-identifier': context.memo['system-identifier'] ?? '',
    },
    ASK_MS * 3,
  );
  const done = await followJob(context, member, job);
  await context.remember({ timeline: done['timeline'] ?? '', until: done['until'] ?? '' });
}

async function followJob(
  context: WorkContext,
  member: Member,
  job: string,
): Promise<Record<string, string>> {
  let heard = Date.now();
  let said = '';
  for (;;) {
    const seen = await context.ask(member, 'look', { job }, ASK_MS).catch((error: unknown) => {
      if (Date.now() - heard <= PATIENCE_MS) return undefined;
      const time = formatDurationMs(PATIENCE_MS);
      const reason = `${member.unit} has not answered for ${time}: ${messageOf(error)}`;
      throw refuse(`cannot go on restoring: ${reason}`);
    });
    if (seen !== undefined) {
      heard = Date.now();
      const { state, message = '' } = seen;
      if (state === 'done') return seen;
      if (state !== 'running') throw refuse(message);
      if (message !== said) await context.note(message);
      said = message;
    }
    await context.sleep(LOOK_EVERY_MS);
  }
}

/** Only the restored member may lead; what the members knew of the old history is forgotten. */
async function fence(context: WorkContext): Promise<void> {
  const key = keyOf(context);
  const sync = JSON.stringify({ leader: chosen(context).member, sync_standby: null });
  for (const name of ['leader', 'failover', 'status', 'optime/leader', 'history', 'failsafe']) {
    await context.etcd.delete(key(name));
  }
  await context.etcd.put(key('sync'), sync);
}

function keyOf({ desired }: WorkContext): (name: string) => string {
  const { namespace, scope } = desired.patroni;
  return (name) => `/${namespace.replace(/^\/+|\/+$/g, '')}/${scope}/${name}`;
}

async function startOne(context: WorkContext): Promise<void> {
  const member = chosen(context);
  if (context.memo['proven'] === undefined) await fence(context);
  await context.ask(member, 'start', {}, ASK_MS);
  await untilWritable(context, member.member);
  const sql = await context.primarySql();
  try {
    // Takes a transaction's number, which only a writable server gives. A write that commits, even
    // of a temporary table, could wait for replicas that are not there yet, and never end.
    await sql.queryAll('BEGIN; SELECT pg_catalog.pg_current_xact_id(); ROLLBACK');
  } finally {
    await sql.close();
  }
  await context.remember({ proven: 'yes' });
  await context.note(`${member.unit} is primary with the restored data`);
}

async function cloneOthers(context: WorkContext): Promise<void> {
  const waiting = new Set<string>();
  const deadline = Date.now() + CLONE_MS;
  const following = await followers(context, deadline);
  for (const member of others(context)) {
    if (following.includes(member.member)) continue;
    if (await reset(context, member)) waiting.add(member.member);
  }
  while (waiting.size > 0 && Date.now() < deadline) {
    for (const name of await followers(context, deadline)) waiting.delete(name);
    if (waiting.size > 0) await context.sleep(LOOK_EVERY_MS);
  }
  for (const name of waiting) await context.note(`${name} does not stream yet; it goes on cloning`);
}

/** @returns whether it clones now; one that is away clones when it is back */
async function reset(context: WorkContext, member: Member): Promise<boolean> {
  if (!(await answers(context, member))) return false;
  await context.note(`cloning ${member.unit}`);
  try {
    await context.ask(member, 'reset', {}, STOP_MS);
    return true;
  } catch (error) {
    await context.note(messageOf(error));
    return false;
  }
}

/**
 * The primary and who streams from it. Without one nobody gives up data: the unit that alone has
 * the restored ones may have lost its power, and is started again when it is back.
 */
async function followers(context: WorkContext, deadline: number): Promise<string[]> {
  for (;;) {
    const { cluster } = await context.observe();
    const members = cluster.known ? cluster.value.members : [];
    if (members.some(({ role }) => role === 'primary')) {
      return members
        .filter(({ role, streaming }) => role === 'primary' || streaming)
        .map(({ name }) => name);
    }
    const { unit } = chosen(context);
    if (Date.now() >= deadline) {
      throw refuse(`cannot go on: ${unit}, which has the restored data, is away; power it on`);
    }
    await context.ask(chosen(context), 'start', {}, ASK_MS).catch(() => undefined);
    await context.sleep(LOOK_EVERY_MS);
  }
}

async function clean(context: WorkContext): Promise<void> {
  const { unit } = chosen(context);
  await context.ask(chosen(context), 'discard', {}, STOP_MS).catch(async (error: unknown) => {
    await context.note(`${messageOf(error)}; ${unit} removes its old data when it is back`);
  });
  const { description } = JSON.parse(context.memo['target'] ?? '{}') as RestoreTarget;
  await context.result({
    'restore-status': 'restore finished',
    restored: description,
    'last-transaction': context.memo['until'] ?? '',
    'next-step': 'make a new backup: create-backup type=full',
  });
}

/** Before the proof the old data go back to their place; after it they are given up. */
async function undo(context: WorkContext, reason: string): Promise<void> {
  if (context.memo['member'] === undefined) return; // Nothing was stopped yet.
  if (context.memo['proven'] === undefined) await putOldBack(context, reason);
  for (const other of others(context)) {
    await context.ask(other, 'start', {}, ASK_MS).catch(() => undefined);
  }
  // Whoever asked hears of the failure when the cluster of before serves again.
  await untilServed(context);
}

async function putOldBack(context: WorkContext, reason: string): Promise<void> {
  const member = chosen(context);
  await context.note(`putting the old data back: ${reason}`);
  try {
    if (!(await answers(context, member))) throw refuse('it does not answer');
    await context.ask(member, 'halt', {}, STOP_MS);
    await fence(context);
    await context.ask(member, 'back', { tag: context.id }, STOP_MS);
  } catch (error) {
    await context.note(`${member.unit} puts its old data back later: ${messageOf(error)}`);
    // Whoever could take over before may now, and nobody else: another may lack what was confirmed.
    const { sync = '' } = context.memo;
    if (sync === '') await context.etcd.delete(keyOf(context)('sync'));
    else await context.etcd.put(keyOf(context)('sync'), sync);
  }
}

/** By whichever member. */
async function untilServed(context: WorkContext): Promise<void> {
  const deadline = Date.now() + SERVED_MS;
  while (Date.now() < deadline) {
    const { cluster, database } = await context.observe();
    const members = cluster.known ? cluster.value.members : [];
    if (database.known && members.some(({ role }) => role === 'primary')) return;
    await context.sleep(LOOK_EVERY_MS).catch(() => undefined);
    if (context.signal.aborted) break;
  }
  await context.note('after putting the old data back, no member accepts writes yet');
}

function chosen(context: WorkContext): Member {
  const { members } = context.desired;
  const member = members.find((each) => each.member === context.memo['member']);
  if (member !== undefined) return member;
  throw refuse(`cannot go on restoring: ${context.memo['member']} is no unit any more`);
}

function others(context: WorkContext): Member[] {
  return context.desired.members.filter(({ member }) => member !== context.memo['member']);
}

function requestOf({ params }: WorkContext) {
  return { backupId: params['backup-id'], restoreToTime: params['restore-to-time'] };
}

function refuse(message: string): OperatorError {
  return new OperatorError({ code: 'restore-refused', message });
}

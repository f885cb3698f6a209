/**
 * Watches whether this unit's member follows its primary, and has it cloned anew when it cannot;
 * what to do is decided in decide/reclone.ts, done by the work `reclone`. Without trouble it asks
 * nobody anything.
 */
import { processesOn } from '../../lib/machine/processes.ts';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { AgentWorld, ClusterMember, RecloneView } from '../charm/model/world.ts';
import type { SqlPort } from '../charm/workload/ports.ts';
import type { Clients } from './clients.ts';
import {
  type CloneMove,
  type CloneRecord,
  type Course,
  cloneObstacle,
  conditionOf,
  courseAfter,
  decideClone,
  diagnosis,
  isNotRunning,
} from './decide/reclone.ts';
import type { Facts } from './facts.ts';
import { Loop } from './loop.ts';
import { cloneRecordOf, hasOldData, writeCloneRecord } from './work/reclone.ts';

const EVERY_MS = 5000;

export interface RecloneParts {
  facts: Facts;
  clients: Clients;
  log: Log;
  world(): AgentWorld;
  /** Starts the work `reclone`. */
  start(params: Record<string, string>): Promise<unknown>;
}

export function keepFollowing(parts: RecloneParts): Loop {
  const { facts, clients, log } = parts;
  let course: Course | undefined;
  const run = async () => {
    const world = parts.world();
    const { desired } = clients;
    const { member } = desired.unit;
    const self = world.cluster.known
      ? world.cluster.value.members.find(({ name }) => name === member)
      : undefined;
    const condition = conditionOf({
      self,
      pids: self && isNotRunning(self) ? await processesOn(desired.paths.dataDir) : [],
      missingWal: await missingWal(self, world, clients),
    });
    const at = Date.now();
    course = courseAfter(course, condition, at);
    const record = await cloneRecordOf(desired);
    const oldData = diagnosis(course, at) !== undefined && (await hasOldData(desired));
    const obstacle = cloneObstacle({ ...world, member, oldData });
    const move = decideClone(course, record, obstacle, at);
    if (move.move === 'clone') course = undefined;
    facts.set('reclone', await carryOut(move, record, parts));
  };
  return new Loop({
    name: 'watch over following',
    log,
    everyMs: () => EVERY_MS,
    run: () =>
      run().catch((error: unknown) => {
        // Whoever does not answer is reported by its own watch; anything else is a bug.
        if (!(error instanceof OperatorError)) throw error;
        log.debug(`cannot see whether the member follows: ${error.message}`);
      }),
  });
}

/** @returns what is to be said of it */
async function carryOut(
  move: CloneMove,
  record: CloneRecord,
  { clients, log, start }: RecloneParts,
): Promise<RecloneView | undefined> {
  const { desired } = clients;
  const attempts = record.attempts.length;
  switch (move.move) {
    case 'none': {
      const { quarantined: reason } = record;
      return reason === undefined ? undefined : { state: 'quarantined', reason, attempts };
    }
    case 'lift':
      log.info('the member follows again: no longer quarantined');
      await writeCloneRecord(desired, { attempts: record.attempts });
      return undefined;
    case 'wait':
      return { state: 'waiting', reason: move.reason, waitsFor: move.for, attempts };
    case 'quarantine':
      log.error('the member is cloned no more by itself', { reason: move.reason, attempts });
      await writeCloneRecord(desired, { ...record, quarantined: move.reason });
      return { state: 'quarantined', reason: move.reason, attempts };
    case 'clone': {
      log.warning('cloning the member anew', { reason: move.reason });
      const params = { member: desired.unit.member, attempt: 'true', reason: move.reason };
      const refusal = await start(params).then(
        () => undefined,
        (error: unknown) => messageOf(error),
      );
      if (refusal === undefined) return undefined;
      return { state: 'waiting', reason: move.reason, waitsFor: refusal, attempts };
    }
  }
}

/** What it would ask for next; null where it stands still for a reason of its own. */
const POSITION = `
  SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN
    CASE WHEN pg_catalog.pg_is_wal_replay_paused()
        OR pg_catalog.current_setting('recovery_min_apply_delay') <> '0' THEN NULL
      ELSE GREATEST(pg_catalog.pg_last_wal_receive_lsn(),
        pg_catalog.pg_last_wal_replay_lsn())::text END END AS position`;

/** Without the timeline: the first eight digits of a name. */
const GONE = `
  SELECT needed FROM (
    SELECT pg_catalog.substr(pg_catalog.pg_walfile_name($1::pg_lsn + 1), 9) AS needed,
      (SELECT min(pg_catalog.substr(name, 9) COLLATE "C") FROM pg_catalog.pg_ls_waldir()
        WHERE name ~ '^[0-9A-F]{24}$') AS oldest) files
  WHERE needed COLLATE "C" < oldest`;

/** The file of WAL that it waits for, where the primary has no more of it. */
async function missingWal(
  self: ClusterMember | undefined,
  { cluster, database }: AgentWorld,
  clients: Clients,
): Promise<string | undefined> {
  if (self === undefined || self.role === 'primary' || self.streaming) return undefined;
  // Who streams is only known while the primary answers.
  if (!cluster.known || !database.known || isNotRunning(self)) return undefined;
  const primary = cluster.value.members.find(({ role }) => role === 'primary');
  if (primary === undefined) return undefined;
  const [own] = await asking(clients.localSql(), (sql) =>
    sql.query<{ position: string | null }>(POSITION),
  );
  if (own === undefined || own.position === null) return undefined;
  const [gone] = await asking(clients.sqlAt(primary.address), (sql) =>
    sql.query<{ needed: string }>(GONE, [own.position]),
  );
  return gone?.needed;
}

/** Nobody answers: nothing is missing, as far as is known. */
async function asking<T>(
  connecting: Promise<SqlPort>,
  ask: (sql: SqlPort) => Promise<T[]>,
): Promise<T[]> {
  const sql = await connecting.catch(() => undefined);
  if (sql === undefined) return [];
  try {
    return await ask(sql);
  } catch {
    return [];
  } finally {
    await sql.close();
  }
}

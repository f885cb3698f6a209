/**
 * Keeps Patroni's record of synchronous standbys from standing still on the primary's unit; what to
 * write is decided in decide/sync-record.ts. Writes only over the state it has seen, and only while
 * this member holds the leader's key.
 */
import { OperatorError } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { Clients } from './clients.ts';
import { withReplication } from './decide/cluster.ts';
import { readSyncRecord, renderSyncRecord, syncRemedy } from './decide/sync-record.ts';
import type { Facts } from './facts.ts';
import { Loop } from './loop.ts';
import { dcsPrefix } from './watch/cluster.ts';

const CALM_MS = 5000;
const QUICK_MS = 1000;
/** Patroni itself waits 2 s and a round of its loop between PostgreSQL's setting and its record. */
const PATIENCE_MS = 6000;

export function keepSyncRecord(facts: Facts, clients: Clients, log: Log): Loop {
  let stuckSince: number | undefined;
  const run = async () => {
    const { patroni, primary } = facts.now;
    const { unit } = clients.desired;
    const own = primary.known && primary.value.address === unit.address;
    const waitsFor = own ? primary.value.waitsFor : undefined;
    if (waitsFor === undefined) {
      stuckSince = undefined;
      return;
    }
    const prefix = dcsPrefix(clients.desired);
    const etcd = clients.etcd();
    const [leader, entry] = await Promise.all([
      etcd.get(`${prefix}leader`),
      etcd.get(`${prefix}sync`),
    ]);
    const cluster = withReplication(patroni, primary.known ? primary.value.replication : []);
    const record = entry === undefined ? undefined : readSyncRecord(entry.value);
    const remedy = syncRemedy({ self: unit.member, cluster, waitsFor, record });
    stuckSince = remedy === 'shake' ? (stuckSince ?? Date.now()) : undefined;
    if (remedy === undefined || leader?.value !== unit.member) return;
    if (stuckSince !== undefined && Date.now() - stuckSince < PATIENCE_MS) return;
    const key = `${prefix}sync`;
    const done = await etcd.txn(
      [
        { key: leader.key, modRevision: leader.modRevision },
        { key, modRevision: entry?.modRevision ?? 0 },
      ],
      [{ put: key, value: renderSyncRecord(unit.member, remedy) }],
    );
    if (done && remedy === 'shake') {
      log.warning('told Patroni to give up a synchronous standby that is gone', {
        standbys: waitsFor.join(','),
      });
    }
  };
  return new Loop({
    name: 'record of synchronous standbys',
    log,
    everyMs: () => (stuckSince === undefined ? CALM_MS : QUICK_MS),
    run: () =>
      run().catch((error: unknown) => {
        // An etcd that does not answer is reported by its own watch; anything else is a bug.
        if (!(error instanceof OperatorError)) throw error;
        log.debug(`no record to keep: ${error.message}`);
      }),
  });
}

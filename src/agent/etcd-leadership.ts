/**
 * Moves etcd's leadership off the primary's unit, after every change of either and again when that
 * failed. Which voter should lead is decided in decide/etcd-leader.ts.
 */
import { messageOf } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { Clients } from './clients.ts';
import { betterLeader } from './decide/etcd-leader.ts';
import type { Facts } from './facts.ts';
import { Loop } from './loop.ts';

const EVERY_MS = 5000;
/** An election costs every client of etcd a moment: never one after the other. */
const PAUSE_MS = 30_000;

export function keepEtcdLeadershipAway(facts: Facts, clients: Clients, log: Log): Loop {
  let movedAt = Number.NEGATIVE_INFINITY;
  const run = async () => {
    const { etcd, patroni } = facts.now;
    const self = clients.desired.unit.member;
    const target = betterLeader(etcd, patroni, self);
    if (target === undefined || performance.now() - movedAt < PAUSE_MS) return;
    movedAt = performance.now();
    try {
      const client = clients.etcd();
      const own = (await client.members()).find((member) => member.name === self);
      if (own?.clientUrl !== undefined) await client.transferLeadership(own.clientUrl, target);
      log.info('moved the leadership of etcd off the unit of the primary');
    } catch (error) {
      log.warning(`cannot move the leadership of etcd: ${messageOf(error)}`);
    }
  };
  return new Loop({ name: 'leadership of etcd', log, everyMs: () => EVERY_MS, run });
}

/**
 * Has a primary that fell silent proven dead, and then takes its lease away, so that a replica
 * leads without waiting for it to run out. What must be true is decided in decide/fence.ts. Never
 * acts on silence: only after the operator's command has said that the machine is off.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Desired, Member } from '../../charm/model/desired.ts';
import type { EtcdPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import { fencing, isDeadSilent, pauseMs, type Sign, suspected } from '../decide/fence.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { dcsPrefix } from '../watch/cluster.ts';
import { prove } from './prove.ts';
import { signsOf } from './signs.ts';

const CALM_MS = 5000;
/** Whoever stalls for longer has lost its turn, and with it the right to use its proof. */
const LEASE_SECONDS = 3;
const KEEPALIVE_MS = 1000;

export interface FenceParts {
  facts: Facts;
  desired(): Desired;
  etcd(): Pick<EtcdPort, 'get' | 'range' | 'txn' | 'grant' | 'keepAlive' | 'revoke'>;
  /** By everybody who can be asked. */
  signs(member: Member): Promise<Sign[]>;
  /** @throws OperatorError unless the machine of the member is certainly off */
  prove(command: string, member: Member): Promise<void>;
  log: Log;
}

export const fenceKey = (app: string) => `/pgcharm/${app}/fence`;

export function keepFence(facts: Facts, clients: Clients, log: Log): Loop {
  return fenceLoop({
    facts,
    desired: () => clients.desired,
    etcd: () => clients.etcd(),
    signs: (member) => signsOf(clients, member),
    prove: (command, member) => prove(clients.desired, command, member),
    log,
  });
}

/** The same around parts that tests make. */
export function fenceLoop(parts: FenceParts): Loop {
  const { facts, desired, log } = parts;
  let attempts = 0;
  const run = async () => {
    const { fence, unit, members } = desired();
    const { patroni: cluster, pulse, work } = facts.now;
    const name = fence && suspected({ self: unit.member, cluster, pulse, work })?.name;
    const member = members.find((each) => each.member === name);
    if (fence === undefined || member === undefined) {
      attempts = 0;
      return;
    }
    attempts += 1;
    const level = attempts === 1 ? 'info' : 'debug';
    try {
      log[level](`${member.unit} is silent: ${await attempt(parts, fence.command, member)}`);
    } catch (error) {
      // No proof, or no etcd: the lease runs out by itself. Anything else is a bug.
      if (!(error instanceof OperatorError)) throw error;
      log[level](`${member.unit} is silent: ${messageOf(error)}`);
    }
  };
  return new Loop({
    name: 'fence',
    log,
    everyMs: () => (attempts === 0 ? CALM_MS : pauseMs(attempts)),
    run,
  });
}

/** @returns what came of it */
async function attempt(parts: FenceParts, command: string, member: Member): Promise<string> {
  if (!isDeadSilent(await parts.signs(member))) return 'something of it still answers';
  const { unit } = parts.desired();
  const etcd = parts.etcd();
  const key = fenceKey(unit.app);
  const lease = await etcd.grant(LEASE_SECONDS);
  const keepAlive = setInterval(() => {
    // A turn that was lost is noticed when the keys are to go.
    void etcd.keepAlive(lease).catch(() => undefined);
  }, KEEPALIVE_MS);
  try {
    if (!(await etcd.txn([{ key, modRevision: 0 }], [{ put: key, value: unit.name, lease }]))) {
      return 'another agent asks whether its machine is off';
    }
    return await inTurn(parts, command, member);
  } finally {
    clearInterval(keepAlive);
    await etcd.revoke(lease).catch(() => undefined);
  }
}

/** By whoever holds the key: the command runs once at a time. */
async function inTurn(parts: FenceParts, command: string, member: Member): Promise<string> {
  const desired = parts.desired();
  const { name, app } = desired.unit;
  const etcd = parts.etcd();
  const turn = await etcd.get(fenceKey(app));
  if (turn?.value !== name) return `${name} took too long over asking whether its machine is off`;
  const prefix = dcsPrefix(desired);
  // Before the question whether the machine is off: see decide/fence.ts.
  const found = fencing(await etcd.range(prefix), prefix, member.member);
  if (!found.possible) return found.reason;
  await parts.prove(command, member);
  const { key, modRevision } = turn;
  const gone = await etcd.txn([{ key, modRevision }, ...found.guards], found.removals);
  if (!gone) return 'its machine was off, and something has changed since';
  parts.log.warning('a replica may lead at once: the machine of the primary is proven off', {
    unit: member.unit,
  });
  return 'its lease was taken away';
}

/**
 * Makes a unit that goes away superfluous: the primary role moves to another member, and the leader
 * is woken so that it takes this unit's voter out of etcd. Bounded in time; says what it reached.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../lib/std/errors.ts';
import type { AgentWorld } from '../charm/model/world.ts';
import type { LeaveReport } from '../charm/workload/ports.ts';

const LOOK_EVERY_MS = 250;
/** The others may have been busy with something when they were woken. */
const WAKE_AGAIN_MS = 5000;

export interface Leaving {
  /** Member name of this unit. */
  self: string;
  /** How many other units there are. */
  others: number;
  observe(): Promise<AgentWorld>;
  /** Wakes the charms of all others that can be reached. @returns how many */
  wakePeers(): Promise<number>;
  /** Starts a switchover away from this unit and waits until it has ended. */
  handOver(): Promise<void>;
}

export async function leave(leaving: Leaving, timeoutMs: number): Promise<LeaveReport> {
  const lines: string[] = [];
  if (leaving.others === 0) return { complete: true, lines: ['the last unit: nobody to hand to'] };
  const deadline = Date.now() + timeoutMs;
  let wokenAt = 0;
  let failure = '';
  while (true) {
    const rest = remaining(await leaving.observe(), leaving.self);
    if (rest.primary) failure = await tryHandOver(leaving, lines);
    const open = remaining(await leaving.observe(), leaving.self);
    if (!open.primary && !open.voter) {
      lines.push('neither primary nor voter: the others do without this unit');
      return { complete: true, lines };
    }
    if (open.voter && Date.now() - wokenAt > WAKE_AGAIN_MS) {
      const woken = await leaving.wakePeers();
      if (wokenAt === 0) lines.push(`asked ${woken} units to do without this one`);
      wokenAt = Date.now();
    }
    if (Date.now() >= deadline) {
      if (open.primary) lines.push(`still primary: ${failure || 'no member took over'}`);
      if (open.voter) lines.push('still a voter of etcd: no leader has removed it');
      return { complete: false, lines };
    }
    await delay(LOOK_EVERY_MS);
  }
}

async function tryHandOver(leaving: Leaving, lines: string[]): Promise<string> {
  try {
    await leaving.handOver();
    lines.push('handed the primary role over');
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * What the others would miss. While etcd or the cluster cannot be asked this unit counts as needed:
 * a change of voters or of the primary looks like that for a moment.
 */
function remaining(world: AgentWorld, self: string): { primary: boolean; voter: boolean } {
  const { cluster, etcd } = world;
  return {
    primary: cluster.known
      ? cluster.value.members.some(({ name, role }) => name === self && role === 'primary')
      : false,
    voter: !etcd.known || etcd.value.members.some(({ name }) => name === self),
  };
}

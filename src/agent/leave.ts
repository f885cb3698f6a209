/**
 * Makes a unit that goes away superfluous: another member clones the data where none has them, the
 * primary role moves there, and the leader is woken so that it takes this unit's voter out of etcd.
 * Bounded in time, as decide/leaving.ts says; says what it reached.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../lib/std/errors.ts';
import type { AgentWorld } from '../charm/model/world.ts';
import type { LeaveReport, LeaveRequest } from '../charm/workload/ports.ts';
import { leaveBy, type Open, openOf, waitsForClone } from './decide/leaving.ts';

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

export async function leave(leaving: Leaving, request: LeaveRequest): Promise<LeaveReport> {
  const lines: string[] = [];
  if (leaving.others === 0) return { complete: true, lines: ['the last unit: nobody to hand to'] };
  const { timeoutMs, heirs } = request;
  const look = async () => openOf(await leaving.observe(), leaving.self, heirs);
  const startedAt = Date.now();
  let since = startedAt;
  let wokenAt = 0;
  let failure = '';
  while (true) {
    const before = await look();
    // Who still clones could not take over.
    if (before.primary && !before.copy) failure = await tryHandOver(leaving, lines);
    const open = await look();
    if (!open.primary && !open.voter && !open.copy) {
      lines.push('neither primary nor voter: the others do without this unit');
      return { complete: true, lines };
    }
    if ((open.voter || open.copy) && Date.now() - wokenAt > WAKE_AGAIN_MS) {
      const woken = await leaving.wakePeers();
      if (wokenAt === 0) lines.push(`asked ${woken} units to do without this one`);
      wokenAt = Date.now();
    }
    if (waitsForClone(open)) since = Date.now();
    if (Date.now() >= leaveBy(open, { startedAt, since, timeoutMs })) {
      return { complete: false, lines: [...lines, ...shortcomings(open, failure)] };
    }
    await delay(LOOK_EVERY_MS);
  }
}

function shortcomings(open: Open, failure: string): string[] {
  return [
    ...(open.copy ? ['no unit that stays has cloned the data: they are left on the storage'] : []),
    ...(open.primary ? [`still primary: ${failure || 'no member took over'}`] : []),
    ...(open.voter ? ['still a voter of etcd: no leader has removed it'] : []),
  ];
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

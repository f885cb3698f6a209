/**
 * What the units' agents cost while nothing happens: processor and memory, the worst of three, with
 * clients connected and related. The floor of the memory is a Node that does nothing.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultWorld } from '../tests/support/fault-world.ts';
import { idleNode, residentMiB } from './controller-rss.ts';
import { type Benchmark, judge } from './measure.ts';

/** Long enough for what happens every ten seconds, and for the garbage of the deployment. */
const SETTLE_MS = 30_000;
const WATCHED_MS = 60_000;
/** `getconf CLK_TCK` of Linux: /proc counts in it whatever the kernel's own is. */
const TICKS_PER_SECOND = 100;

export const agentRest: Benchmark = {
  ids: ['agent-rest'],
  async run(_ids, say) {
    say('agent-rest: deploying three units');
    const world = await FaultWorld.start({ units: 3 });
    world.writers.abandon();
    try {
      const censuses = await Promise.all((await world.unitNames()).map((n) => world.census(n)));
      const pids = censuses.flatMap(({ services }) => services.agent.map(({ pid }) => pid));
      await delay(SETTLE_MS);
      say(`agent-rest: at rest for ${WATCHED_MS / 1000} s`);
      const before = pids.map(cpuSeconds);
      await delay(WATCHED_MS);
      const used = pids.map((pid, n) => cpuSeconds(pid) - (before[n] ?? 0));
      const id = 'agent-rest';
      return [
        judge({
          id,
          what: 'agent of a unit at rest, processor',
          value: (Math.max(...used) * 100_000) / WATCHED_MS,
          unit: '%',
          target: 1,
          targetOf: 'value',
        }),
        judge({
          id,
          what: 'agent of a unit at rest, memory',
          value: Math.max(...pids.map(residentMiB)),
          unit: 'MiB',
          floor: await idleNode(),
          floorOf: 'idle Node',
          target: 80,
          targetOf: 'value',
        }),
      ];
    } finally {
      await world.end();
    }
  },
};

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

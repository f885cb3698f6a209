/** Steps on the cluster as a whole: what all members share, and work that spans units. */

import { OperatorError } from '../../../lib/std/errors.ts';
import { restFiles } from '../model/certificates.ts';
import { differing } from '../model/merge.ts';
import { PORTS } from '../model/patroni-config.ts';
import { addresses, type Snapshot, unitOfMember } from '../model/snapshot.ts';
import { agentClient } from '../workload/agent.ts';
import type { PatroniPort } from '../workload/ports.ts';
import { followPatiently } from './following.ts';
import type { Families } from './tools.ts';

export const clusterSteps: Families<'patch-dynamic' | 'start-work' | 'run-work'> = {
  'patch-dynamic': {
    lane: 'dynamic',
    priority: 55,
    async apply({ patch }, { world }) {
      await withPatroni(world(), async (patroni) => {
        // The snapshot may be older than the last patch; every patch makes all members reload.
        const rest = differing(patch, await patroni.config());
        if (rest !== undefined) await patroni.patchConfig(rest);
      });
      return undefined;
    },
  },
  'start-work': {
    lane: 'work',
    priority: 60,
    destructive: true,
    async apply({ kind, params }, { world }) {
      const id = await agentClient(world().layout.agentSocket).startWork(kind, params);
      return { work: id };
    },
  },
  'run-work': {
    lane: 'work',
    async apply({ kind, params }, { hooks, world }) {
      const agent = agentClient(world().layout.agentSocket);
      const id = await agent.startWork(kind, params);
      const ending = await followPatiently(
        (onLine) => agent.followWork(id, onLine),
        (line) => hooks.actionLog(line),
      );
      if (ending.outcome === 'done') return toUnits(ending.result);
      throw new OperatorError({ code: `${kind}-failed`, message: ending.message });
    },
  },
};

/** Operators know units, the work knows members. */
function toUnits(result: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(result).map(([key, value]) => [
      key,
      key.endsWith('primary') ? unitOfMember(value) : value,
    ]),
  );
}

/** This unit's Patroni first; any member may change what all share. */
async function withPatroni(
  world: Snapshot,
  work: (patroni: PatroniPort) => Promise<void>,
): Promise<void> {
  const own = world.unit.address;
  const others = addresses(world).map(({ address }) => address);
  const { createPatroni } = await import('../workload/patroni.ts');
  const patroni = createPatroni({
    addresses: [...new Set(own === undefined ? others : [own, ...others])],
    port: PORTS.patroni,
    username: 'patroni',
    password: world.appSecret?.content['patroni-password'] ?? '',
    tls: { ...world.layout.tls, ca: restFiles(world).ca },
  });
  try {
    await work(patroni);
  } finally {
    patroni.close();
  }
}

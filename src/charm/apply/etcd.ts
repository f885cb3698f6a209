/** Steps on etcd's membership, and on the etcd of this unit. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../../lib/std/errors.ts';
import { etcdFacts } from '../model/etcd-facts.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { EtcdPeer, EtcdPort } from '../workload/ports.ts';
import type { Families } from './tools.ts';

type EtcdSteps = 'add-learner' | 'promote-learner' | 'remove-voter' | 'remove-etcd-data';

export const etcdSteps: Families<EtcdSteps> = {
  'add-learner': {
    lane: 'voters',
    destructive: true,
    async apply({ peerUrl }, { world }) {
      await withEtcd(world(), (etcd) => etcd.addLearner(peerUrl));
      return undefined;
    },
  },
  'promote-learner': {
    lane: 'voters',
    destructive: true,
    async apply({ id }, { world }) {
      await withEtcd(world(), async (etcd) => {
        // The snapshot may be a second old; what was promoted since must not look like a failure.
        const members = await etcd.members();
        if (members.find((each) => each.id === id)?.learner !== true) return;
        await checkMajority(
          etcd,
          members.filter((each) => !each.learner || each.id === id),
        );
        await etcd.promote(id);
      });
      return undefined;
    },
  },
  'remove-voter': {
    lane: 'voters',
    destructive: true,
    async apply({ id }, { world }) {
      await withEtcd(world(), async (etcd) => {
        const members = await etcd.members();
        await checkMajority(
          etcd,
          members.filter((each) => !each.learner && each.id !== id),
        );
        await etcd.remove(id);
      });
      return undefined;
    },
  },
  'remove-etcd-data': {
    lane: 'service etcd',
    destructive: true,
    async apply(_, { world }) {
      const { etcdData, etcdConfig } = world().layout;
      // The configuration last: it says that there is something to remove.
      await emptyDirectory(etcdData);
      await rm(etcdConfig, { force: true });
      return undefined;
    },
  },
};

/**
 * What the agent saw is seconds old. With a voter that fell silent since, etcd would carry the
 * change out and then have no majority left to undo it.
 *
 * @param after the voters when the change is made
 * @throws OperatorError `voters-silent`
 */
export async function checkMajority(
  etcd: Pick<EtcdPort, 'status'>,
  after: readonly EtcdPeer[],
): Promise<void> {
  const answers = await Promise.all(
    after.map(async ({ clientUrl }) => {
      if (clientUrl === undefined) return false;
      const status = await etcd.status(clientUrl).catch(() => undefined);
      return status?.leaderId !== undefined;
    }),
  );
  const answering = answers.filter((answer) => answer).length;
  if (answering > after.length / 2) return;
  throw new OperatorError({
    code: 'voters-silent',
    message: `cannot change the voters of etcd: ${answering} of ${after.length} would answer`,
    hint: 'it is tried again when most of them do',
  });
}

/** The directory itself stays: its owner could not make it again. */
export async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    await rm(join(path, name), { recursive: true, force: true });
  }
}

/** Speaks to the etcd in force with the unit's own certificate. */
export async function withEtcd<T>(
  world: Snapshot,
  work: (etcd: EtcdPort) => Promise<T>,
): Promise<T> {
  const endpoints = etcdFacts(world)?.endpoints ?? [];
  const { createEtcd } = await import('../workload/etcd.ts');
  const etcd = createEtcd({ endpoints, tls: world.layout.tls, timeoutMs: 5000 });
  try {
    return await work(etcd);
  } finally {
    etcd.close();
  }
}

/**
 * What of the world is worth waking the charm for, as one text that differs exactly when a hook
 * might decide differently. Pure. Numbers that never rest (lag, positions, times) are left out or
 * put into few classes: a wake for each of them would be a hot loop.
 */
import type { AgentWorld, EtcdMember, Observed } from '../../charm/model/world.ts';

/** Silences at which a decider may change its mind, in milliseconds. */
const SILENCE_STEPS_MS = [1, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000];

export function coarse(world: AgentWorld): string {
  return JSON.stringify({
    generation: world.generation,
    etcd: seen(world.etcd, ({ members }) => members.map(coarseVoter).toSorted()),
    cluster: seen(world.cluster, (cluster) => ({
      ...cluster,
      members: cluster.members.map(({ lagBytes: _, ...member }) => member),
    })),
    database: seen(world.database, (database) => database),
    // Every read of a damaged page counts it anew.
    local: seen(world.local, ({ damagedPages: _, ...local }) => local),
    pooler: seen(world.pooler, (pooler) => pooler),
    peers: Object.entries(world.peers)
      .map(([unit, peer]) => [unit, seen(peer, (view) => view)])
      .toSorted(),
    jobs: world.jobs.map(({ id, state }) => [id, state]),
    work: world.work && [world.work.id, world.work.outcome],
    backup: seen(world.backup, (repository) => repository),
    directory: world.directory && [world.directory.problem, world.directory.notes],
    reclone: world.reclone,
  });
}

/** Reasons are left out: they hold ports, addresses and times. */
function seen<T, R>(observed: Observed<T>, view: (value: T) => R): R | 'unknown' {
  return observed.known ? view(observed.value) : 'unknown';
}

function coarseVoter(member: EtcdMember): string {
  const { silentMs, ...rest } = member;
  const silence = SILENCE_STEPS_MS.filter((step) => silentMs >= step).length;
  return JSON.stringify({ ...rest, silence });
}

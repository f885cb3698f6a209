/** The services of the unit as their supervisor has them. Asks files, starts no process. */
import { stat } from 'node:fs/promises';
import type { HookContext } from '../../../lib/contract/context.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import type { Layout } from '../model/layout.ts';
import { etcdHostsOf } from '../model/patroni-config.ts';
import type { ServiceFacts, Snapshot } from '../model/snapshot.ts';
import { loadedFile, startedWithFile, unitServices } from '../workload/services.ts';

export async function observeServices(
  layout: Layout,
  context: HookContext,
): Promise<Pick<Snapshot, 'services' | 'supervised'>> {
  const services = unitServices(layout, context);
  const [states, supervised] = await Promise.all([services.list(), services.supervised()]);
  const facts = await Promise.all(
    Object.entries(states).map(async ([name, { running, wantedUp, spec }]) => {
      const [loaded, noted, learnt] = await Promise.all([
        readIfExists(loadedFile(layout, name)),
        readIfExists(startedWithFile(layout, name)),
        name === 'patroni' ? learntHosts(layout.patroniConfig) : [],
      ]);
      const startedWith = (noted ?? '').split('\n').filter((url) => url !== '');
      const fresh = startedWith.length === 0 ? [] : learnt;
      const news = fresh.filter((url) => !startedWith.includes(url));
      const facts = { running, wantedUp, spec, loaded, startedWith, learnt: running ? news : [] };
      return [name, facts] as [string, ServiceFacts];
    }),
  );
  return { services: Object.fromEntries(facts), supervised };
}

/**
 * Patroni asks etcd for its members every ten `ttl` (dcs/etcd.py); 30 s is the longest we set.
 * Until then it counts as knowing only what it was started with, and starts anew before that goes.
 */
const LEARNT_AFTER_MS = 330_000;

/** Voters that a running Patroni has heard of since they became its configuration. */
async function learntHosts(config: string): Promise<string[]> {
  const written = await stat(config).catch(() => undefined);
  if (written === undefined || Date.now() - written.mtimeMs < LEARNT_AFTER_MS) return [];
  return etcdHostsOf((await readIfExists(config)) ?? '{"etcd3":{"hosts":[]}}');
}

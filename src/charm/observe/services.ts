/** The services of the unit as their supervisor has them. Asks files, starts no process. */
import type { HookContext } from '../../../lib/contract/context.ts';
import { readNow, statNow } from '../../../lib/std/files.ts';
import type { Layout } from '../model/layout.ts';
import { etcdHostsOf } from '../model/patroni-config.ts';
import type { ServiceFacts, Snapshot } from '../model/snapshot.ts';
import { learntFile, loadedFile, pidFile, readFileOf, unitServices } from '../workload/services.ts';

export async function observeServices(
  layout: Layout,
  context: HookContext,
): Promise<Pick<Snapshot, 'services' | 'supervised'>> {
  const services = unitServices(layout, context);
  const [states, supervised] = await Promise.all([services.list(), services.supervised()]);
  const facts = Object.entries(states).map(([name, state]): [string, ServiceFacts] => {
    const { running, wantedUp, once, spec } = state;
    const loaded = readNow(loadedFile(layout, name));
    const hosts = name === 'patroni' ? etcdHosts(layout, running) : NO_HOSTS;
    return [name, { running, wantedUp, once, spec, loaded, ...hosts }];
  });
  return { services: Object.fromEntries(facts), supervised };
}

const NO_HOSTS = { startedWith: [], noted: [], learnt: [] };

/** Nothing while Patroni was never started. */
function etcdHosts(
  layout: Layout,
  running: boolean,
): Pick<ServiceFacts, 'startedWith' | 'noted' | 'learnt'> {
  const [read, pid] = [readNow(readFileOf(layout, 'patroni')), readNow(pidFile(layout, 'patroni'))];
  const [notes, config] = [readNow(learntFile(layout)), readNow(layout.patroniConfig)];
  if (read === undefined || config === undefined) return NO_HOSTS;
  const hosts = etcdHostsOf(config);
  if (!running) return { startedWith: hosts, noted: [], learnt: [] };
  const startedWith = etcdHostsOf(read);
  // What another process had learnt this one does not know.
  const [process, ...urls] = (notes ?? '').split('\n');
  const noted = process === pid?.trim() ? urls : [];
  const written = statNow(layout.patroniConfig)?.mtimeMs ?? 0;
  const isOld = Date.now() - written >= LEARNT_AFTER_MS;
  const isNews = (url: string) => ![...startedWith, ...noted].includes(url);
  return { startedWith, noted, learnt: isOld ? hosts.filter(isNews) : [] };
}

/**
 * Patroni asks etcd for its members every ten `ttl` (dcs/etcd.py); 30 s is the longest we set. Then
 * one `ttl` more: a member that etcd still lists has asked it within that, so not before the ten.
 * Until then it counts as knowing only what it was started with, and starts anew before that goes.
 */
const LEARNT_AFTER_MS = 330_000;

/** The services of the unit as their supervisor has them. Asks files, starts no process. */
import type { HookContext } from '../../../lib/contract/context.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import type { Layout } from '../model/layout.ts';
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
      const [loaded, hosts] = await Promise.all([
        readIfExists(loadedFile(layout, name)),
        readIfExists(startedWithFile(layout, name)),
      ]);
      const startedWith = (hosts ?? '').split('\n').filter((url) => url !== '');
      return [name, { running, wantedUp, spec, loaded, startedWith }] as [string, ServiceFacts];
    }),
  );
  return { services: Object.fromEntries(facts), supervised };
}

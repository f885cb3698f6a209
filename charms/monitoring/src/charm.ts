/** The table of the monitoring charm: what it reads, decides and does. */
import { dirname, join } from 'node:path';
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { runitServices } from '../../../lib/machine/services.ts';
import { alerts } from './alerts.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import { targets } from './targets.ts';
import type { Steps, World } from './world.ts';

export const monitoring: Charm<World, Steps, Tools> = {
  tools({ hooks, context }) {
    const root = join(dirname(context.charmDir), 'monitoring');
    const services = runitServices({
      directory: join(root, 'service'),
      logs: join(root, 'log'),
      label: `monitoring-${context.unit.replace('/', '-')}`,
    });
    return { hooks, context, services, root };
  },
  observe,
  deciders: [decide],
  steps,
  actions: [targets, alerts],
};

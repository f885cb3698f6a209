/** Entry of the object-store charm: one process per event. The table of what it does. */
import { dirname, join } from 'node:path';
import process from 'node:process';
import { type Charm, dispatch } from '../../../lib/charm/dispatch.ts';
import { runitServices } from '../../../lib/machine/services.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

const charm: Charm<World, Steps, Tools> = {
  tools({ hooks, context }) {
    const root = join(dirname(context.charmDir), 'store');
    const services = runitServices({
      directory: join(root, 'service'),
      logs: join(root, 'log'),
      label: `store-${context.unit.replace('/', '-')}`,
    });
    return { hooks, context, services, root };
  },
  observe,
  deciders: [decide],
  steps,
  actions: [],
};

process.exitCode = await dispatch(charm);

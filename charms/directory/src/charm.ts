/** The table of the directory: what it reads, decides and does. */
import { dirname, join } from 'node:path';
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { runitServices } from '../../../lib/machine/services.ts';
import { addGroup, addUser, listUsers, removeGroup, removeUser } from './actions.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

export const directory: Charm<World, Steps, Tools> = {
  tools({ hooks, context }) {
    const root = join(dirname(context.charmDir), 'directory');
    const services = runitServices({
      directory: join(root, 'service'),
      logs: join(root, 'log'),
      label: `directory-${context.unit.replace('/', '-')}`,
    });
    return { hooks, context, services, root };
  },
  observe,
  deciders: [decide],
  steps,
  actions: [addUser, removeUser, addGroup, removeGroup, listUsers],
};

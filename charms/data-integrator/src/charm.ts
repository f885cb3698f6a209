/** The table of the data-integrator: what it reads, decides and does. */
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { decide } from './decide.ts';
import { getCredentials } from './get-credentials.ts';
import { ENDPOINT, observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

export const dataIntegrator: Charm<World, Steps, Tools> = {
  tools: (base) => base,
  observe,
  deciders: [decide],
  steps: {
    'ask-for-database': {
      lane: 'request',
      async apply({ relationId, data }, { hooks }) {
        await hooks.relationSet(ENDPOINT, relationId, data, 'app');
        return undefined;
      },
    },
  },
  actions: [getCredentials],
};

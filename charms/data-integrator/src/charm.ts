/** The table of the data-integrator: what it reads, decides and does. */
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { decide } from './decide.ts';
import { getCredentials } from './get-credentials.ts';
import { ENDPOINT, observe, type Tools } from './observe.ts';
import { certificateLabel, nameLabel, type Steps, type World } from './world.ts';

const removal = {
  lane: 'request',
  async apply({ uri }: { uri: string }, { hooks }: Tools) {
    await hooks.secretRemove(uri);
    return undefined;
  },
};

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
    'name-user': {
      lane: 'request',
      async apply({ relationId, name }, { hooks }) {
        const label = nameLabel(relationId);
        const id = await hooks.secretAdd({ 'entity-name': name }, { label });
        await hooks.secretGrant(id, { endpoint: ENDPOINT, id: relationId });
        return undefined;
      },
    },
    'forget-name': removal,
    'offer-certificate': {
      lane: 'request',
      async apply({ relationId, uri, pem }, { hooks }) {
        const content = { 'mtls-cert': pem };
        if (uri !== undefined) {
          await hooks.secretSet(uri, content);
          return undefined;
        }
        const id = await hooks.secretAdd(content, { label: certificateLabel(relationId) });
        await hooks.secretGrant(id, { endpoint: ENDPOINT, id: relationId });
        return undefined;
      },
    },
    'withdraw-certificate': removal,
  },
  actions: [getCredentials],
};

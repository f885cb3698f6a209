/** The table of the monitoring charm: what it reads, decides and does. */
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { workloadTools } from '../../../lib/charm/workload-steps.ts';
import { alerts } from './alerts.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import { targets } from './targets.ts';
import type { Steps, World } from './world.ts';

export const monitoring: Charm<World, Steps, Tools> = {
  tools: workloadTools('monitoring'),
  observe,
  deciders: [decide],
  steps,
  actions: [targets, alerts],
};

/** The table of the directory: what it reads, decides and does. */
import type { Charm } from '../../../lib/charm/dispatch.ts';
import { workloadTools } from '../../../lib/charm/workload-steps.ts';
import { addGroup, addUser, listUsers, removeGroup, removeUser } from './actions.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

export const directory: Charm<World, Steps, Tools> = {
  tools: workloadTools('directory'),
  observe,
  deciders: [decide],
  steps,
  actions: [addUser, removeUser, addGroup, removeGroup, listUsers],
};

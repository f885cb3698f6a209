/** Entry of the witness charm: one process per event. The table of what it does. */
import process from 'node:process';
import { type Charm, dispatch } from '../../../lib/charm/dispatch.ts';
import { workloadTools } from '../../../lib/charm/workload-steps.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

const charm: Charm<World, Steps, Tools> = {
  tools: workloadTools('witness'),
  observe,
  deciders: [decide],
  steps,
  actions: [],
};

process.exitCode = await dispatch(charm);

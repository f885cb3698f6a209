/** The table of the certificate authority: what it reads, decides and does. */
import type { Charm } from '../../../lib/charm/dispatch.ts';
import {
  getCaCertificate,
  listCertificates,
  retirePreviousCa,
  revoke,
  rotateCa,
} from './actions.ts';
import { steps } from './apply.ts';
import { decide } from './decide.ts';
import { observe, type Tools } from './observe.ts';
import type { Steps, World } from './world.ts';

export const certificateAuthority: Charm<World, Steps, Tools> = {
  tools: (base) => base,
  observe,
  deciders: [decide],
  steps,
  actions: [getCaCertificate, listCertificates, rotateCa, retirePreviousCa, revoke],
};

/**
 * Old revisions of secrets go when the controller says that nobody reads them any more: every
 * change of an endpoint makes one. Never removes what the controller has not named.
 */
import { type Decider, step } from '../model/steps.ts';

export const secretRevisions: Decider = ({ event }) => {
  if (event.obsoleteSecret === undefined) return [];
  const { id, revision } = event.obsoleteSecret;
  return [step('remove-secret-revision', { id, revision }, `nobody reads revision ${revision}`)];
};

/** `pgcharm remove-relation`: ends a relation; both sides see their units depart. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const removeRelation: Command = {
  name: 'remove-relation',
  usage: '<application>[:<endpoint>] <application>[:<endpoint>] | <relation id>',
  summary: 'Remove the relation between two applications.',
  details: '--force leaves out, after a minute, units whose hooks hang or fail.',
  examples: ['pgcharm remove-relation data-integrator postgresql:database'],
  flags: [{ names: ['force'], kind: 'bool', doc: 'Do not wait for units that fail' }],
  takes: [1, 2],
  missing: 'a relation must involve two applications',
  async run(call) {
    const request = { endpoints: [...call.args], force: call.flags.bool('force') };
    return told(call, await call.api.call('remove-relation', request));
  },
};

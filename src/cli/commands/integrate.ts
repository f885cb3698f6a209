/** `pgcharm integrate` (`relate`): joins an endpoint of one application with one of another. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const integrate: Command = {
  name: 'integrate',
  usage: '<application>[:<endpoint>] <application>[:<endpoint>]',
  summary: 'Integrate two applications.',
  details: 'Endpoints may be left out when only one pair of them fits.',
  examples: ['pgcharm integrate data-integrator postgresql:database'],
  flags: [{ names: ['via'], doc: 'Accepted for compatibility' }],
  takes: [2, 2],
  missing: 'an integration must involve two applications',
  async run(call) {
    const [first = '', second = ''] = call.args;
    return told(call, await call.api.call('integrate', { first, second }));
  },
};

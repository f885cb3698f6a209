/** `pgcharm show-application`: what an application is made of. */
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';

export const showApplication: Command = {
  name: 'show-application',
  usage: '<application> [...]',
  summary: 'Display information about applications.',
  flags: [formatFlag('yaml', 'json')],
  takes: [1, 1000],
  missing: 'an application name must be supplied',
  async run(call) {
    const document = await call.api.call('show-application', { applications: [...call.args] });
    call.out.data(formatted(document, call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};

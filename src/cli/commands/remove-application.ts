/** `pgcharm remove-application`: all units, then the relations, then the application. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const removeApplication: Command = {
  name: 'remove-application',
  usage: '<application> [...]',
  summary: 'Remove applications with all their units and relations.',
  examples: ['pgcharm remove-application data-integrator'],
  flags: [
    { names: ['no-prompt'], kind: 'bool', doc: 'Do not ask; this controller never asks' },
    { names: ['destroy-storage'], kind: 'bool', doc: 'Destroy storage attached to the units' },
    { names: ['force'], kind: 'bool', doc: 'Remove even if hooks fail' },
    { names: ['no-wait'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['dry-run'], kind: 'bool', doc: 'Say what would be removed, remove nothing' },
  ],
  takes: [1, 1000],
  missing: 'no application specified',
  async run(call) {
    const request = {
      applications: [...call.args],
      destroyStorage: call.flags.bool('destroy-storage'),
      force: call.flags.bool('force'),
      dryRun: call.flags.bool('dry-run'),
    };
    return told(call, await call.api.call('remove-application', request));
  },
};

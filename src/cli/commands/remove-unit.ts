/** `pgcharm remove-unit`: takes units out of the model; their charm gets to say goodbye. */
import { OperatorError } from '../../../lib/std/errors.ts';
import { COUNT, type Command } from '../command.ts';
import { told } from '../told.ts';

export const removeUnit: Command = {
  name: 'remove-unit',
  usage: '<unit> [...]',
  summary: 'Remove units; storage is kept unless --destroy-storage.',
  details: 'A unit in error does not go until `resolved` or --force.',
  examples: ['pgcharm remove-unit postgresql/2'],
  flags: [
    { names: ['no-prompt'], kind: 'bool', doc: 'Do not ask; this controller never asks' },
    { names: ['destroy-storage'], kind: 'bool', doc: 'Destroy storage attached to the unit' },
    { names: ['force'], kind: 'bool', doc: 'Remove the unit even if its hooks fail' },
    { names: ['no-wait'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['dry-run'], kind: 'bool', doc: 'Say what would be removed, remove nothing' },
    { names: ['num-units'], ...COUNT, doc: 'Not for machine models' },
  ],
  takes: [1, 1000],
  missing: 'no units specified',
  async run(call) {
    if (call.flags.has('num-units')) {
      throw new OperatorError({
        code: 'num-units',
        message: '--num-units for non k8s models not valid',
        retry: 'never',
      });
    }
    const request = {
      units: [...call.args],
      destroyStorage: call.flags.bool('destroy-storage'),
      force: call.flags.bool('force'),
      dryRun: call.flags.bool('dry-run'),
    };
    return told(call, await call.api.call('remove-unit', request));
  },
};

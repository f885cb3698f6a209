/** `pgcharm refresh`: brings a newer charm file to a running application. */
import { resolve } from 'node:path';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { type Command, keyValues } from '../command.ts';
import { told } from '../told.ts';
import { splitConfig, takeTrust } from './deploy.ts';

export const refresh: Command = {
  name: 'refresh',
  usage: '<application>',
  summary: "Replace an application's charm; every unit gets upgrade-charm.",
  examples: ['pgcharm refresh postgresql --path ./postgresql.charm'],
  flags: [
    { names: ['path'], doc: 'The charm file' },
    { names: ['config'], kind: 'strings', doc: 'An option key=value' },
    { names: ['storage'], kind: 'strings', doc: 'Storage <name>=[<pool>,][<size>,][<count>]' },
    { names: ['trust'], kind: 'bool', doc: 'Allow the charm to use cloud credentials' },
    { names: ['force-units'], kind: 'bool', doc: 'Also units in error, at once' },
    { names: ['force'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['force-base'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['base'], doc: 'Accepted for compatibility' },
    { names: ['channel'], doc: 'Only for charms from a store' },
    { names: ['revision'], doc: 'Only for charms from a store' },
    { names: ['resource'], kind: 'strings', doc: 'Not supported' },
  ],
  takes: [1, 1],
  missing: 'no application specified',
  async run(call) {
    const path = call.flags.text('path');
    if (path === undefined) {
      throw new UsageError('--path is needed: this controller has no access to a charm store');
    }
    const { pairs } = splitConfig(call, call.flags.texts('config'));
    const trust = takeTrust(pairs) || call.flags.bool('trust');
    const request = {
      application: call.args[0] ?? '',
      path: resolve(call.cwd, path),
      shown: path,
      config: pairs,
      storage: keyValues(call.flags.texts('storage')),
      force: call.flags.bool('force-units'),
      ...(trust ? { trust } : {}),
    };
    return told(call, await call.api.call('refresh', request));
  },
};

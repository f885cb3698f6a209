/** `pgcharm version`: the Juju version whose contract this controller keeps. */
import { arch } from 'node:os';
import { CONTRACT_VERSION } from '../../../lib/contract/version.ts';
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { ownVersion } from '../version.ts';

export const version: Command = {
  name: 'version',
  usage: '',
  summary: 'Print the current version.',
  details: 'The version is that of the Juju contract which this program keeps; --all adds its own.',
  flags: [
    formatFlag('smart', 'json', 'yaml'),
    { names: ['all'], kind: 'bool', doc: 'Print all version information' },
  ],
  takes: [0, 0],
  async run(call) {
    const number = `${CONTRACT_VERSION}-ubuntu-${arch() === 'x64' ? 'amd64' : arch()}`;
    const format = call.flags.text('format') ?? 'smart';
    const document = call.flags.bool('all') ? { version: number, pgcharm: ownVersion() } : number;
    if (format === 'json') call.out.data(formatted(document, 'json'));
    else if (typeof document === 'string') call.out.data(`${document}\n`);
    else call.out.data(formatted(document, 'yaml'));
    return 0;
  },
};

/** `pgcharm resolved`: goes on after a failed hook. */
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const resolved: Command = {
  name: 'resolved',
  usage: '[<unit> ...]',
  summary: 'Mark unit errors resolved and run the failed hook again.',
  examples: ['pgcharm resolved postgresql/0', 'pgcharm resolved --no-retry --all'],
  flags: [
    { names: ['no-retry'], kind: 'bool', doc: 'Take the failed hook as done' },
    { names: ['all'], kind: 'bool', doc: 'All units in error' },
  ],
  takes: [0, 1000],
  async run(call) {
    const all = call.flags.bool('all');
    if (!all && call.args.length === 0) throw new UsageError('no unit specified');
    const request = { units: [...call.args], all, retry: !call.flags.bool('no-retry') };
    return told(call, await call.api.call('resolved', request));
  },
};

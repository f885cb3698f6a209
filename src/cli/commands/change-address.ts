/** `pgcharm change-address`: what happens to a unit when its machine gets another address. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const changeAddress: Command = {
  name: 'change-address',
  usage: '<machine>|<unit> [<address>]',
  summary: 'Give a machine another address, as a new lease of DHCP does.',
  details:
    'Its units get config-changed; what they tell their relations follows. The old address is\n' +
    'gone at once. Without an address the first free one is taken. Not a command of Juju.',
  examples: ['pgcharm change-address 1', 'pgcharm change-address 2 10.77.3.40'],
  takes: [1, 2],
  missing: 'no machine or unit specified',
  async run(call) {
    const [target = '', address] = call.args;
    return told(call, await call.api.call('change-address', { target, address }));
  },
};

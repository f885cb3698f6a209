/** `pgcharm trust`, `expose` and `unexpose`: what an application may do, and who may reach it. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const trust: Command = {
  name: 'trust',
  usage: '<application>',
  summary: 'Allow an application to use cloud credentials.',
  flags: [
    { names: ['remove'], kind: 'bool', doc: 'Take trust away' },
    { names: ['scope'], doc: 'Only for Kubernetes models' },
  ],
  takes: [1, 1],
  missing: 'no application name specified',
  async run(call) {
    const request = { application: call.args[0] ?? '', remove: call.flags.bool('remove') };
    return told(call, await call.api.call('trust', request));
  },
};

export const expose: Command = exposing('expose', 'Mark an application as reachable.', false);
export const unexpose: Command = exposing('unexpose', 'Take that mark away.', true);

function exposing(name: string, summary: string, remove: boolean): Command {
  return {
    name,
    usage: '<application>',
    summary,
    details: 'Machines of this controller have loopback addresses: nothing is opened to others.',
    flags: [
      { names: ['endpoints'], doc: 'Accepted for compatibility' },
      { names: ['to-cidrs'], doc: 'Accepted for compatibility' },
      { names: ['to-spaces'], doc: 'Accepted for compatibility' },
    ],
    takes: [1, 1],
    missing: 'no application name specified',
    async run(call) {
      const request = { application: call.args[0] ?? '', remove };
      return told(call, await call.api.call('expose', request));
    },
  };
}

/** `pgcharm power-off` and `power-on`: what happens to a unit when its machine dies, for real. */
import type { Command } from '../command.ts';
import { told } from '../told.ts';

export const powerOff: Command = power(
  'power-off',
  'Kill every process of a machine at once, as a power cut would.',
  'Services are killed (SIGKILL), no hook runs, nothing comes back until power-on. Files stay.\n' +
    'The other units see a member that went away without a word. Not a command of Juju.',
  false,
);

export const powerOn: Command = power(
  'power-on',
  'Boot a machine that was powered off.',
  'Its units get their start event, as after a reboot, and their services start again.',
  true,
);

function power(name: string, summary: string, details: string, on: boolean): Command {
  return {
    name,
    usage: '<machine>|<unit> [...]',
    summary,
    details,
    examples: [`pgcharm ${name} 1`, `pgcharm ${name} postgresql/2`],
    takes: [1, 1000],
    missing: 'no machine or unit specified',
    async run(call) {
      for (const target of call.args) told(call, await call.api.call('power', { target, on }));
      return 0;
    },
  };
}

/** `pgcharm help [command]`. */
import { catalogue, findCommand } from '../catalogue.ts';
import type { Command } from '../command.ts';
import { commandHelp, overview } from '../help.ts';

export const help: Command = {
  name: 'help',
  usage: '[<command>]',
  summary: 'Show help on a command, or the list of commands.',
  takes: [0, 1],
  async run(call) {
    const [name] = call.args;
    call.out.data(name === undefined ? overview(catalogue) : commandHelp(await findCommand(name)));
    return 0;
  },
};

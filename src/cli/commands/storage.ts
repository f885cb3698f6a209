/** `pgcharm storage` and `attach-storage`. */
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { storageText } from '../status-text.ts';
import { told } from '../told.ts';

export const storage: Command = {
  name: 'storage',
  usage: '',
  summary: 'List storage instances.',
  flags: [formatFlag('tabular', 'json', 'yaml')],
  takes: [0, 0],
  async run(call) {
    const document = await call.api.call('storage', {});
    const format = call.flags.text('format') ?? 'tabular';
    if (format !== 'tabular') call.out.data(formatted(document, format));
    else if (document.storage === undefined) call.out.say('No storage to display.');
    else call.out.data(storageText(document));
    return 0;
  },
};

export const attachStorage: Command = {
  name: 'attach-storage',
  usage: '<unit> <storage> [...]',
  summary: 'Attach storage that is detached to a unit.',
  takes: [2, 1000],
  missing: 'attach-storage requires a unit ID and at least one storage ID',
  async run(call) {
    const [unit = '', ...storages] = call.args;
    return told(call, await call.api.call('attach-storage', { unit, storages }));
  },
};

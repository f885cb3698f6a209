/** `pgcharm model-config`: settings of the model, such as the interval of update-status. */

import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { type Command, commaList, formatFlag, keyValues } from '../command.ts';
import { formatted } from '../output.ts';
import { readSmallFile } from '../small-file.ts';
import { columns } from '../table.ts';
import { told } from '../told.ts';

export const modelConfig: Command = {
  name: 'model-config',
  usage: '[<key> | <key>=<value> ...]',
  summary: 'Get, set, or reset configuration of the model.',
  examples: [
    'pgcharm model-config update-status-hook-interval=1m',
    'pgcharm model-config logging-config="<root>=INFO;unit=DEBUG"',
    'pgcharm model-config --reset logging-config',
  ],
  flags: [
    formatFlag('tabular', 'json', 'yaml'),
    { names: ['reset'], kind: 'strings', doc: 'Keys to set back to their default, with commas' },
  ],
  takes: [0, 1000],
  async run(call) {
    const format = call.flags.text('format') ?? 'tabular';
    const reset = commaList(call.flags, 'reset');
    const settings = call.args.filter((argument) => argument.includes('='));
    const [key, ...more] = call.args.filter((argument) => !argument.includes('='));
    if (settings.length + reset.length > 0) {
      if (key !== undefined) throw new UsageError('cannot set and retrieve values simultaneously');
      const set = keyValues(settings);
      for (const [name, value] of Object.entries(set)) set[name] = readSmallFile(call.cwd, value);
      return told(call, await call.api.call('set-model-config', { set, reset }));
    }
    if (more.length > 0) throw new UsageError('can only retrieve a single value, or all values');
    const document = await call.api.call('model-config', {});
    if (key !== undefined) {
      const entry = document[key];
      if (entry === undefined) throw unknownKey(key);
      call.out.data(call.flags.has('format') ? formatted(entry, format) : `${entry.Value}\n`);
      return 0;
    }
    if (format !== 'tabular') call.out.data(formatted(document, format));
    else {
      const rows = Object.entries(document).map(([name, { Source, Value }]) => [
        name,
        Source,
        String(Value),
      ]);
      call.out.data(columns(['Attribute', 'From', 'Value'], rows));
    }
    return 0;
  },
};

function unknownKey(key: string): OperatorError {
  return new OperatorError({
    code: 'unknown-key',
    message: `key "${key}" not found in model configuration`,
    retry: 'never',
  });
}

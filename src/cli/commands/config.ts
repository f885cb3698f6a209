/** `pgcharm config`: reads, sets or resets the options of an application. */

import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { type Call, type Command, commaList, formatFlag, keyValues } from '../command.ts';
import { formatted } from '../output.ts';
import { readSmallFile, readText } from '../small-file.ts';
import { told } from '../told.ts';

export const config: Command = {
  name: 'config',
  usage: '<application> [<option> | <option>=<value> ...]',
  summary: 'Get, set, or reset configuration of an application.',
  details: 'A value that begins with @ is read from that file.',
  examples: [
    'pgcharm config postgresql',
    'pgcharm config postgresql profile',
    'pgcharm config postgresql profile=testing experimental-max-connections=200',
    'pgcharm config postgresql --reset profile',
  ],
  flags: [
    formatFlag('yaml', 'json'),
    { names: ['reset'], kind: 'strings', doc: 'Options to set back to their default, with commas' },
    { names: ['file'], doc: 'YAML file with options' },
  ],
  takes: [1, 1000],
  missing: 'no application name specified',
  async run(call) {
    const [application = '', ...rest] = call.args;
    const format = call.flags.text('format') ?? 'yaml';
    const reset = commaList(call.flags, 'reset');
    const file = call.flags.text('file');
    const settings = rest.filter((argument) => argument.includes('='));
    const keys = rest.filter((argument) => !argument.includes('='));
    if (keys.length > 0 && settings.length + reset.length > 0) {
      throw new UsageError('cannot set and retrieve options simultaneously');
    }
    if (keys.length > 1) throw new UsageError('can only retrieve a single option, or all options');
    if (settings.length + reset.length === 0 && file === undefined) {
      return get(call, application, keys[0], format);
    }
    const set = keyValues(settings);
    for (const [key, value] of Object.entries(set)) set[key] = readSmallFile(call.cwd, value);
    const yaml = file === undefined ? {} : { yaml: readText(call.cwd, file) };
    return told(call, await call.api.call('set-config', { application, set, reset, ...yaml }));
  },
};

async function get(
  call: Call,
  application: string,
  key: string | undefined,
  format: string,
): Promise<number> {
  const document = await call.api.call('config', { application });
  if (key === undefined) {
    call.out.data(formatted(document, format));
    return 0;
  }
  const entry = document.settings[key] ?? document['application-config'][key];
  if (entry === undefined) {
    throw new OperatorError({
      code: 'unknown-option',
      message: `key "${key}" not found in "${application}" application config or charm settings`,
      retry: 'never',
    });
  }
  const { value } = entry;
  if (call.flags.has('format')) call.out.data(formatted(value ?? null, format));
  else call.out.data(value === undefined ? '\n' : `${String(value)}\n`);
  return 0;
}

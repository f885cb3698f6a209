/** `pgcharm actions` and `show-action`: what can be run on an application's units. */
import { OperatorError } from '../../../lib/std/errors.ts';
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { columns } from '../table.ts';

export const actions: Command = {
  name: 'actions',
  usage: '<application>',
  summary: 'List actions defined for an application.',
  flags: [
    formatFlag('tabular', 'json', 'yaml'),
    { names: ['schema'], kind: 'bool', doc: 'Show the parameters too' },
  ],
  takes: [1, 1],
  missing: 'no application name specified',
  async run(call) {
    const all = await call.api.call('actions', { application: call.args[0] ?? '' });
    const format = call.flags.text('format') ?? (call.flags.bool('schema') ? 'yaml' : 'tabular');
    const described = Object.entries(all).map(([name, spec]) => [name, description(spec)] as const);
    if (call.flags.bool('schema')) call.out.data(formatted(all, format));
    else if (format !== 'tabular') call.out.data(formatted(Object.fromEntries(described), format));
    else call.out.data(columns(['Action', 'Description'], described));
    return 0;
  },
};

export const showAction: Command = {
  name: 'show-action',
  usage: '<application> <action>',
  summary: 'Show the parameters of an action.',
  flags: [formatFlag('yaml', 'json')],
  takes: [2, 2],
  missing: 'no application name specified',
  async run(call) {
    const [application = '', name = ''] = call.args;
    const spec = (await call.api.call('actions', { application }))[name];
    if (spec === undefined) {
      throw new OperatorError({
        code: 'unknown-action',
        message: `unknown action "${name}"`,
        hint: `see \`pgcharm actions ${application}\``,
        retry: 'never',
      });
    }
    call.out.data(formatted(spec, call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};

/** The first sentence, wherever its lines break. */
function description(spec: unknown): string {
  if (typeof spec !== 'object' || spec === null || !('description' in spec)) return '';
  const text = String(spec.description).trim().replace(/\s+/g, ' ');
  return /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;
}

/** `pgcharm secrets` and `show-secret`: who owns which secret; content only with --reveal. */
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { columns } from '../table.ts';

export const secrets: Command = {
  name: 'secrets',
  usage: '',
  summary: 'List secrets of the model.',
  flags: [
    formatFlag('tabular', 'json', 'yaml'),
    { names: ['owner'], doc: 'Only secrets of this owner' },
  ],
  takes: [0, 0],
  async run(call) {
    const owner = call.flags.text('owner');
    const document = await call.api.call('secrets', owner === undefined ? {} : { owner });
    const format = call.flags.text('format') ?? 'tabular';
    if (format !== 'tabular') {
      call.out.data(formatted(document, format));
      return 0;
    }
    const rows = Object.entries(document).map(([id, secret]) => [
      id,
      secret.name ?? '-',
      secret.owner,
      secret.rotation ?? 'never',
      String(secret.revision),
      secret.updated.slice(0, 10),
    ]);
    const header = ['ID', 'Name', 'Owner', 'Rotation', 'Revision', 'Last updated'];
    if (rows.length > 0) call.out.data(columns(header, rows));
    else call.out.say('No secrets to display.');
    return 0;
  },
};

export const showSecret: Command = {
  name: 'show-secret',
  usage: '<name>|<uri>',
  summary: 'Show details of a secret; with --reveal its content too.',
  examples: ['pgcharm show-secret secret:9m4e2mr0ui3e8a215n4g --reveal'],
  flags: [
    formatFlag('yaml', 'json'),
    { names: ['reveal'], kind: 'bool', doc: 'Show the content' },
    { names: ['r', 'revision'], kind: 'int', doc: 'A revision other than the newest' },
    { names: ['revisions'], kind: 'bool', doc: 'Show every revision, without content' },
  ],
  takes: [1, 1],
  missing: 'no secret name or URI specified',
  async run(call) {
    const { flags } = call;
    const revision = flags.int('revision');
    if (flags.bool('reveal') && flags.bool('revisions')) {
      throw new UsageError('specify either --revisions or --reveal but not both');
    }
    const document = await call.api.call('show-secret', {
      secret: call.args[0] ?? '',
      reveal: flags.bool('reveal'),
      revisions: flags.bool('revisions'),
      ...(revision === undefined ? {} : { revision }),
    });
    const format = flags.text('format') ?? 'yaml';
    // The YAML of Juju shows the pairs directly below `content`.
    const shown =
      format === 'json'
        ? document
        : Object.fromEntries(
            Object.entries(document).map(([id, { content, ...rest }]) => [
              id,
              content === undefined ? rest : { ...rest, content: content.Data },
            ]),
          );
    call.out.data(formatted(shown, format));
    return 0;
  },
};

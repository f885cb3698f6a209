/** `pgcharm status`: the model at a glance, as text, JSON or YAML; `--watch` keeps it on screen. */

import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { StatusAnswer } from '../../controller/api/documents.ts';
import { type Call, type Command, formatFlag } from '../command.ts';
import { follow } from '../follow.ts';
import { formatted } from '../output.ts';
import { statusText } from '../status-text.ts';

const CLEAR_SCREEN = '\x1b[H\x1b[2J\x1b[3J';

export const status: Command = {
  name: 'status',
  usage: '[<application>|<unit>|<machine> ...]',
  summary: 'Report the status of the model, its machines, applications and units.',
  details:
    'Arguments narrow the report to what they name; * and ? match any text and any character.',
  examples: [
    'pgcharm status',
    'pgcharm status postgresql --relations --storage',
    'pgcharm status --format json',
    'pgcharm status --watch',
  ],
  flags: [
    formatFlag('tabular', 'text', 'json', 'yaml'),
    { names: ['relations'], kind: 'bool', doc: "Show 'relations' section" },
    { names: ['integrations'], kind: 'bool', doc: "Show 'integrations' section" },
    { names: ['storage'], kind: 'bool', doc: "Show 'storage' section" },
    { names: ['utc'], kind: 'bool', doc: 'Display timestamps in the UTC timezone' },
    { names: ['watch'], kind: 'bool', doc: 'Show the status again whenever it changes' },
    { names: ['color'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['no-color'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [0, 1000],
  async run(call) {
    const format = call.flags.text('format') ?? 'tabular';
    const request = { patterns: [...call.args], utc: call.flags.bool('utc') };
    if (!call.flags.bool('watch')) {
      show(call, format, await call.api.call('status', request));
      return 0;
    }
    if (format !== 'tabular') throw new UsageError('--watch goes with the tabular format only');
    await follow(call.api, 'status', request, {
      signal: call.signal,
      seen(answer): undefined {
        if (call.out.terminal) call.out.data(CLEAR_SCREEN);
        show(call, format, answer);
      },
    });
    return 0;
  },
};

function show(call: Call, format: string, answer: StatusAnswer): void {
  const { document } = answer;
  if (format === 'json' || format === 'yaml') {
    call.out.data(formatted(document, format));
    return;
  }
  const known = Object.keys(document.machines).length + Object.keys(document.applications).length;
  if (known === 0 && call.args.length > 0) {
    call.out.say('Nothing matched specified filter.');
    return;
  }
  const relations = call.flags.bool('relations') || call.flags.bool('integrations');
  call.out.data(statusText(answer, { relations, storage: call.flags.bool('storage') }));
  if (known === 0) call.out.say(`\nModel "${document.model.name}" is empty.`);
}

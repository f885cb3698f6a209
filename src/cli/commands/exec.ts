/** `pgcharm exec`: runs a shell command on units, as a hook would run: with the hook tools. */

import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { type Command, commaList, formatFlag } from '../command.ts';
import { shellWords } from '../shell-words.ts';
import { seeThrough } from '../task.ts';

const DEFAULT_WAIT_MS = 300_000;

export const exec: Command = {
  name: 'exec',
  usage: '<command> [...]',
  summary: 'Run a command on units, with the hook tools on its PATH.',
  details: 'The command waits its turn among the hooks of the unit.',
  examples: [
    'pgcharm exec --unit postgresql/0 -- relation-ids database',
    "pgcharm exec --application postgresql 'hostname; uptime'",
  ],
  flags: [
    formatFlag('plain', 'json', 'yaml'),
    { names: ['u', 'unit'], kind: 'strings', doc: 'Units, with commas' },
    { names: ['a', 'app', 'application'], kind: 'strings', doc: 'Applications, with commas' },
    { names: ['machine'], kind: 'strings', doc: 'Machines, with commas' },
    { names: ['all'], kind: 'bool', doc: 'Run on every machine' },
    { names: ['wait'], kind: 'duration', doc: 'Longest wait for results', value: '5m0s' },
    { names: ['background'], kind: 'bool', doc: 'Do not wait for results' },
    { names: ['parallel'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['operator'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['utc'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [1, 1000],
  missing: 'no commands specified',
  stopsAtPositional: true,
  async run(call) {
    const { flags } = call;
    const request = {
      units: commaList(flags, 'unit'),
      applications: commaList(flags, 'application'),
      machines: commaList(flags, 'machine'),
      all: flags.bool('all'),
      command: call.args.length === 1 ? (call.args[0] ?? '') : shellWords(call.args),
    };
    const targets = request.units.length + request.applications.length + request.machines.length;
    if (targets === 0 && !request.all) {
      throw new UsageError(
        'You must specify a target, either through --all, --machine, --application or --unit',
      );
    }
    const waitMs = parseDurationMs(flags.text('wait') ?? '') ?? DEFAULT_WAIT_MS;
    return seeThrough(call, await call.api.call('exec', request), {
      format: flags.text('format') ?? 'plain',
      waitMs,
      background: flags.bool('background'),
    });
  },
};

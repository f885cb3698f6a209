/** `pgcharm debug-log`: the log of all units, followed or not. */
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { LogLine } from '../../controller/api/documents.ts';
import { type Call, COUNT, type Command, commaList } from '../command.ts';
import { follow } from '../follow.ts';

const MOST_LINES = 10_000;
const DEFAULT_LINES = 10;

export const debugLog: Command = {
  name: 'debug-log',
  usage: '',
  summary: 'Display log messages of the model.',
  details:
    'On a terminal it goes on with new messages (--tail); elsewhere it ends after those it has.\n' +
    'Standard output of hooks is logged at DEBUG: raise it with\n' +
    '`pgcharm model-config logging-config="<root>=INFO;unit=DEBUG"`.',
  examples: [
    'pgcharm debug-log --replay --level WARNING',
    'pgcharm debug-log --include postgresql/0 -n 100',
  ],
  flags: [
    { names: ['f', 'tail'], kind: 'bool', doc: 'Go on with new messages' },
    { names: ['no-tail'], kind: 'bool', doc: 'Stop after the messages there are' },
    { names: ['replay'], kind: 'bool', doc: 'Show the whole log' },
    { names: ['n', 'lines'], ...COUNT, doc: 'Messages to begin with', value: '10' },
    { names: ['limit'], ...COUNT, doc: 'Show so many and stop; 0 shows all', value: '0' },
    { names: ['l', 'level'], doc: 'TRACE, DEBUG, INFO, WARNING or ERROR and above' },
    { names: ['i', 'include'], kind: 'strings', doc: 'Only of these units or machines' },
    { names: ['x', 'exclude'], kind: 'strings', doc: 'Not of these units or machines' },
    { names: ['include-module'], kind: 'strings', doc: 'Only of these modules' },
    { names: ['date'], kind: 'bool', doc: 'Show the date too' },
    { names: ['ms'], kind: 'bool', doc: 'Show milliseconds' },
    { names: ['utc'], kind: 'bool', doc: 'Show times in UTC' },
    { names: ['color'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['no-color'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [0, 0],
  async run(call) {
    const { flags } = call;
    if (flags.bool('tail') && flags.bool('no-tail')) {
      throw new UsageError('setting --tail and --no-tail not valid');
    }
    const limit = flags.int('limit');
    const tail =
      flags.bool('tail') || (call.out.terminal && !flags.bool('no-tail') && limit === undefined);
    const whole = flags.bool('replay') || limit === 0;
    const lines = Math.min(limit || (flags.int('lines') ?? DEFAULT_LINES), MOST_LINES);
    const chosen = {
      ...(flags.text('level') === undefined ? {} : { level: flags.text('level') ?? '' }),
      include: commaList(flags, 'include'),
      exclude: commaList(flags, 'exclude'),
    };
    const modules = commaList(flags, 'include-module');
    const show = (log: readonly LogLine[]) => {
      for (const line of log) {
        const wanted = modules.length === 0 || modules.some((name) => line.module.startsWith(name));
        if (wanted) call.out.data(lineText(line, call));
      }
    };
    let after = await replay(
      call,
      { ...chosen, ...(whole ? { replay: true } : { limit: lines }) },
      show,
    );
    while (tail) after = await next(call, { ...chosen, after }, show);
    return 0;
  },
};

interface Chosen {
  level?: string;
  include: string[];
  exclude: string[];
  after?: number;
  limit?: number;
  replay?: boolean;
}

/** What there is, page by page. @returns the id of the last line */
async function replay(
  call: Call,
  chosen: Chosen,
  show: (log: readonly LogLine[]) => void,
): Promise<number> {
  let last = 0;
  for (let request = chosen; ; request = { ...chosen, after: last }) {
    const log = await call.api.call('log', request);
    show(log);
    last = log.at(-1)?.id ?? last;
    if (chosen.replay !== true || log.length === 0) return last;
  }
}

/** Waits for lines after `chosen.after`. */
async function next(
  call: Call,
  chosen: Chosen & { after: number },
  show: (log: readonly LogLine[]) => void,
): Promise<number> {
  const log = await follow(call.api, 'log', chosen, {
    signal: call.signal,
    seen: (lines) => (lines.length === 0 ? undefined : lines),
  });
  show(log ?? []);
  return log?.at(-1)?.id ?? chosen.after;
}

/** `unit-pg-0: 12:34:56 INFO juju.worker.uniter.operation ran "config-changed" hook` */
function lineText(line: LogLine, { flags }: Call): string {
  const shift = flags.bool('utc') ? 0 : new Date(line.at).getTimezoneOffset() * 60_000;
  const [date = '', clock = ''] = new Date(line.at - shift).toISOString().split('T');
  const time = flags.bool('ms') ? clock.slice(0, 12) : clock.slice(0, 8);
  const at = flags.bool('date') ? `${date} ${time}` : time;
  return `${line.entity}: ${at} ${line.level} ${line.module} ${line.message}\n`;
}

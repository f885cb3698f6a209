/** `pgcharm show-status-log`: what the statuses of a unit or application were. */
import { COUNT, type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { columns } from '../table.ts';
import { goTime } from '../times.ts';

export const showStatusLog: Command = {
  name: 'show-status-log',
  usage: '<unit>|<application>',
  summary: 'Show past statuses of a unit or application.',
  flags: [
    formatFlag('tabular', 'json', 'yaml'),
    { names: ['n'], ...COUNT, doc: 'The newest so many', value: '20' },
  ],
  takes: [1, 1],
  missing: 'entity name is missing',
  async run(call) {
    const request = { entity: call.args[0] ?? '', limit: call.flags.int('n') ?? 20 };
    const lines = await call.api.call('status-log', request);
    const format = call.flags.text('format') ?? 'tabular';
    if (format === 'tabular') {
      const rows = lines.map(({ at, kind, status, message }) => [
        goTime(at).slice(0, 25),
        kind,
        status,
        message,
      ]);
      call.out.data(columns(['Time', 'Type', 'Status', 'Message'], rows));
      return 0;
    }
    const document = lines.map(({ at, kind, status, message }) => ({
      status,
      ...(message === '' ? {} : { message }),
      since: goTime(at),
      type: kind,
    }));
    call.out.data(formatted(document, format));
    return 0;
  },
};

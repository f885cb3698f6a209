/** `pgcharm operations` and `show-operation`: what was asked of units, and how it went. */
import type { OperationView } from '../../controller/api/documents.ts';
import { COUNT, type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { columns } from '../table.ts';
import { goTime } from '../times.ts';

export const operations: Command = {
  name: 'operations',
  usage: '',
  summary: 'List pending, running, or completed operations, the newest last.',
  flags: [
    formatFlag('plain', 'json', 'yaml'),
    { names: ['limit'], ...COUNT, doc: 'The most to show', value: '50' },
  ],
  takes: [0, 0],
  async run(call) {
    const list = await call.api.call('operations', { limit: call.flags.int('limit') ?? 50 });
    const format = call.flags.text('format') ?? 'plain';
    if (format !== 'plain') {
      const document = Object.fromEntries(list.map((view) => [view.id, documentOf(view)]));
      call.out.data(formatted(document, format));
      return 0;
    }
    const rows = list.map(({ id, status, enqueued, tasks, summary }) => [
      id,
      status,
      goTime(enqueued).slice(0, 19),
      tasks.map((task) => task.id).join(','),
      summary,
    ]);
    call.out.data(columns(['ID', 'Status', 'Enqueued', 'Task IDs', 'Summary'], rows));
    return 0;
  },
};

export const showOperation: Command = {
  name: 'show-operation',
  usage: '<operation id>',
  summary: 'Show the tasks of an operation.',
  flags: [formatFlag('yaml', 'json')],
  takes: [1, 1],
  missing: 'no operation ID specified',
  async run(call) {
    const view = await call.api.call('show-operation', { id: call.args[0] ?? '' });
    call.out.data(formatted(documentOf(view), call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};

function documentOf({ summary, status, enqueued, tasks }: OperationView): Record<string, unknown> {
  const byId = tasks.map(({ id, unit, action, status: how }) => [
    id,
    { host: unit, action, status: how },
  ]);
  return {
    summary,
    status,
    timing: { enqueued: goTime(enqueued) },
    tasks: Object.fromEntries(byId),
  };
}

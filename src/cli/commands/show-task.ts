/** `pgcharm show-task`: what became of an action or command, waiting for its end when asked. */
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { plain, taskDocument, taskEnd } from '../task.ts';

export const showTask: Command = {
  name: 'show-task',
  usage: '<task id>',
  summary: 'Show results of a task by its id.',
  examples: ['pgcharm show-task 12', 'pgcharm show-task 12 --wait 5m'],
  flags: [
    formatFlag('yaml', 'json', 'plain'),
    { names: ['wait'], kind: 'duration', doc: 'Wait so long for its end', value: '0s' },
    { names: ['watch'], kind: 'bool', doc: 'Wait for its end' },
    { names: ['utc'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [1, 1],
  missing: 'no task ID specified',
  async run(call) {
    const [id = ''] = call.args;
    const waitMs = parseDurationMs(call.flags.text('wait') ?? '0') ?? 0;
    if (call.flags.bool('watch') || waitMs > 0) {
      await taskEnd(call, id, call.flags.bool('watch') ? undefined : waitMs);
    }
    const task = await call.api.call('show-task', { id });
    const format = call.flags.text('format') ?? 'yaml';
    call.out.data(format === 'plain' ? plain(task) : formatted(taskDocument(task), format));
    return 0;
  },
};

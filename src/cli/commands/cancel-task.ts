/** `pgcharm cancel-task`: takes back tasks that wait and ends those that run. */
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { taskDocument } from '../task.ts';

export const cancelTask: Command = {
  name: 'cancel-task',
  usage: '<task id> [...]',
  summary: 'Cancel pending or running tasks.',
  flags: [formatFlag('yaml', 'json')],
  takes: [1, 1000],
  missing: 'no task IDs specified',
  async run(call) {
    const tasks = await call.api.call('cancel-task', { ids: [...call.args] });
    const document = Object.fromEntries(tasks.map((task) => [task.id, taskDocument(task)]));
    call.out.data(formatted(document, call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};

/** `pgcharm add-unit`: more units of an application. */
import { COUNT, type Command, commaList, machineFlag, machineKind } from '../command.ts';
import { told } from '../told.ts';

export const addUnit: Command = {
  name: 'add-unit',
  usage: '<application>',
  summary: 'Add units to a deployed application, each on a machine of its own.',
  examples: ['pgcharm add-unit postgresql', 'pgcharm add-unit postgresql -n 2'],
  flags: [
    { names: ['n', 'num-units'], ...COUNT, doc: 'Number of units to add', value: '1' },
    {
      names: ['attach-storage'],
      kind: 'strings',
      doc: 'Existing storage to attach, with one unit',
    },
    { names: ['to'], kind: 'strings', doc: 'Machines that exist, for the first units' },
    machineFlag,
  ],
  takes: [1, 1],
  missing: 'no application specified',
  async run(call) {
    const request = {
      application: call.args[0] ?? '',
      numUnits: call.flags.int('num-units') ?? 1,
      attachStorage: commaList(call.flags, 'attach-storage'),
      to: commaList(call.flags, 'to'),
      machine: machineKind(call.flags),
    };
    return told(call, await call.api.call('add-unit', request));
  },
};

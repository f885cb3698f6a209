/** `pgcharm cut` and `mend`: networks that lose what is sent, for machines of kind netns. */
import { type Command, commaList } from '../command.ts';
import { told } from '../told.ts';

const DIRECTIONS = ['both', 'in', 'out'] as const;

export const cut: Command = {
  name: 'cut',
  usage: '<machine>|<unit>',
  summary: 'Cut a machine off from others: what is sent is lost without a word.',
  details:
    'Open connections hang, as behind a switch that died. Without --from it is cut off from all\n' +
    'machines and from the host. Cuts add up, and last until `mend`, through power cycles too.\n' +
    'Only for machines made with `--machine netns`. Not a command of Juju.',
  examples: [
    'pgcharm cut postgresql/0',
    'pgcharm cut 2 --from 0,1',
    'pgcharm cut postgresql/1 --from host --direction in',
  ],
  flags: [
    { names: ['from'], kind: 'strings', doc: 'Machines, units or host; default all' },
    {
      names: ['direction'],
      value: 'both',
      doc: 'both, in (it hears nothing of them) or out (they hear nothing of it)',
      check: (value) => (direction(value) ? undefined : `expected ${DIRECTIONS.join('|')}`),
    },
  ],
  takes: [1, 1],
  missing: 'no machine or unit specified',
  async run(call) {
    const request = {
      target: call.args[0] ?? '',
      from: commaList(call.flags, 'from'),
      direction: direction(call.flags.text('direction') ?? 'both') ?? 'both',
    };
    return told(call, await call.api.call('cut', request));
  },
};

export const mend: Command = {
  name: 'mend',
  usage: '[<machine>|<unit> ...]',
  summary: 'Mend what `cut` has cut: of the machines named, or of all.',
  examples: ['pgcharm mend', 'pgcharm mend postgresql/0'],
  takes: [0, 1000],
  async run(call) {
    return told(call, await call.api.call('mend', { targets: [...call.args] }));
  },
};

function direction(value: string): (typeof DIRECTIONS)[number] | undefined {
  return DIRECTIONS.find((known) => known === value);
}

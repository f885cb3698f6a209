/** Help texts, in the sections that Juju's `--help` has. */
import { describeFlags } from '../../lib/contract/gnuflag.ts';
import type { CommandEntry } from './catalogue.ts';
import { type Command, globalFlags } from './command.ts';
import { columns } from './table.ts';

export function commandHelp(command: Command): string {
  const usage = ['pgcharm', command.name, '[options]', command.usage].filter((part) => part !== '');
  const sections = [
    `Usage: ${usage.join(' ')}`,
    `Summary:\n${command.summary}`,
    ...(command.flags === undefined ? [] : [`Options:\n${describeFlags(command.flags)}`]),
    `Global Options:\n${describeFlags(globalFlags)}`,
    ...(command.details === undefined ? [] : [`Details:\n${command.details}`]),
    ...(command.examples === undefined
      ? []
      : [`Examples:\n${command.examples.map((line) => `    ${line}`).join('\n')}`]),
  ];
  return `${sections.join('\n\n')}\n`;
}

export function overview(entries: readonly CommandEntry[]): string {
  const rows = entries.map(({ names, summary }) => [`    ${names[0] ?? ''}`, summary]);
  return [
    'pgcharm deploys and runs charms on this machine, with the commands of Juju.',
    '',
    'Usage: pgcharm <command> [options] [arguments]',
    '',
    'Commands:',
    columns(['', ''], rows).trimStart().replace(/^/, '    '),
    'Help on one command: pgcharm help <command>',
    '',
  ].join('\n');
}

/**
 * `pgcharm ssh`: a shell in a unit's directory, or one command there.
 *
 * The unit's machine is this machine: nothing is encrypted or logged in. The charm's own `profile`
 * beside its directory, where there is one, is sourced first; it makes the unit's programs work
 * without arguments.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { Command } from '../command.ts';
import { type UnitPlace, unitShell } from '../unit-shell.ts';

export const ssh: Command = {
  name: 'ssh',
  usage: '[<user>@]<unit|machine> [<command> ...]',
  summary: "Start a shell in a unit's directory, or run one command there.",
  details: 'For PostgreSQL units psql, patronictl, pgbackrest and etcdctl work without arguments.',
  examples: ['pgcharm ssh postgresql/0', "pgcharm ssh postgresql/leader psql -c 'select 1'"],
  flags: [
    { names: ['no-host-key-checks'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['proxy'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['pty'], doc: 'Accepted for compatibility' },
    { names: ['container'], doc: 'Only for Kubernetes models' },
  ],
  takes: [1, 1000],
  missing: 'no target name specified',
  stopsAtPositional: true,
  async run(call) {
    const [target = '', ...words] = call.args;
    if (call.flags.has('container')) throw new UsageError('--container is for Kubernetes models');
    const place = await call.api.call('place', { target: target.slice(target.indexOf('@') + 1) });
    // As ssh does, words are joined with blanks for the remote shell.
    const command = words.filter((word, index) => index > 0 || word !== '--').join(' ');
    return shell(place, command, call.env);
  },
};

/** @returns its exit code, as ssh passes it on */
function shell(
  place: UnitPlace,
  command: string,
  env: Record<string, string | undefined>,
): Promise<number> {
  const interactive = process.stdin.isTTY === true ? `-i` : '';
  const prompt = `${place.unit}:\\w\\$ `;
  // What the profile exports outlives the exec. A shell that is not interactive drops PS1.
  const ownShell = `export PS1='${prompt}'; exec /bin/bash --noprofile --norc ${interactive}`;
  const { program, words, options } = unitShell(place, command === '' ? ownShell : command, env);
  const child = spawn(program, words, { ...options, stdio: 'inherit' });
  // Ctrl-C belongs to the shell; this process just waits for it.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * `pgcharm ssh`: a shell in a unit's directory, or one command there.
 *
 * The unit's machine is this machine: nothing is encrypted or logged in. The charm's own `profile`
 * beside its directory, where there is one, is sourced first; it makes the unit's programs work
 * without arguments.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { Command } from '../command.ts';

/** Not a login shell: /etc/profile would set another PATH than the charm's profile. */
const PREPARE = 'if [ -r ./profile ]; then . ./profile; fi';

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

interface Place {
  unit: string;
  directory: string;
  entrance: readonly string[];
}

/** @returns its exit code, as ssh passes it on */
function shell(
  { unit, directory, entrance }: Place,
  command: string,
  env: Record<string, string | undefined>,
): Promise<number> {
  const interactive = process.stdin.isTTY === true ? `-i` : '';
  // What the profile exports outlives the exec. A shell that is not interactive drops PS1.
  const ownShell = `export PS1='${unit}:\\w\\$ '; exec /bin/bash --noprofile --norc ${interactive}`;
  const wanted = command === '' ? ownShell : command;
  const bash = ['/bin/bash', '--noprofile', '--norc', '-c', `${PREPARE}\n${wanted}`];
  const [program = '/bin/bash', ...words] = [...entrance, ...bash];
  const child = spawn(program, words, {
    cwd: directory,
    env: cleanEnvironment(unit, directory, env),
    stdio: 'inherit',
  });
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

function cleanEnvironment(
  unit: string,
  directory: string,
  env: Record<string, string | undefined>,
): Record<string, string> {
  const kept = ['HOME', 'USER', 'LOGNAME', 'TERM', 'LANG', 'TZ', 'COLUMNS', 'LINES'];
  const entries = kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return {
    LANG: 'C.UTF-8',
    ...(Object.fromEntries(entries) as Record<string, string>),
    PATH: env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    JUJU_UNIT_NAME: unit,
    JUJU_CHARM_DIR: join(directory, 'charm'),
  };
}

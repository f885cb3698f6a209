/** `pgcharm scp`: copies files between here and a unit's directory, which is on this machine. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { Call, Command } from '../command.ts';

export const scp: Command = {
  name: 'scp',
  usage: '[-r] <source> ... <destination>',
  summary: "Copy files to and from a unit's directory.",
  details: 'A path `<unit>:<path>` is within the unit; a relative one starts at its directory.',
  examples: ['pgcharm scp postgresql/0:pg/log/patroni/current ./patroni.log'],
  flags: [
    { names: ['no-host-key-checks'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['proxy'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['container'], doc: 'Only for Kubernetes models' },
  ],
  takes: [2, 1000],
  missing: 'at least two arguments required',
  stopsAtPositional: true,
  async run(call) {
    const options = call.args.filter((word) => /^-[a-zA-Z]+$/.test(word));
    const paths = call.args.filter((word) => word !== '--' && !options.includes(word));
    if (paths.length < 2) throw new UsageError('at least two arguments required');
    const recursive = options.some((option) => option.includes('r'));
    const local = await Promise.all(paths.map((path) => localPath(call, path)));
    return copy([...(recursive ? ['-R'] : []), '--', ...local]);
  },
};

async function localPath(call: Call, path: string): Promise<string> {
  const remote = /^(?:[^@/:]+@)?([a-z][a-z0-9-]*\/(?:\d+|leader)|\d+):(.*)$/.exec(path);
  if (remote === null) return resolve(call.cwd, path);
  const { directory } = await call.api.call('place', { target: remote[1] ?? '' });
  return resolve(directory, remote[2] ?? '');
}

function copy(args: readonly string[]): Promise<number> {
  return new Promise((resolveCode, reject) => {
    const child = spawn('cp', args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => resolveCode(code ?? 1));
  });
}

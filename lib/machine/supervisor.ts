/**
 * Starts and finds runsvdir, the one parent of a unit's services.
 *
 * It must outlive the hook that starts it: where systemd runs, a process of the unit agent's
 * control group would end with that agent, so it becomes a transient unit; elsewhere a session of
 * its own.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { poll } from '../std/clock.ts';
import { OperatorError } from '../std/errors.ts';
import { readNow, writeAtomic } from '../std/files.ts';
import { commandLine, startTime } from './processes.ts';
import { run } from './run.ts';

/** runsvdir shows its own errors in its last argument, which must be there and long enough. */
const ERRORS = `log: ${'.'.repeat(200)}`;

/** The supervisor of `directory`, or undefined when none runs. */
export async function supervisorPid(directory: string): Promise<number | undefined> {
  const text = readNow(`${directory}/.supervisor`) ?? '';
  const [pid, started] = text.trim().split(' ').map(Number);
  if (pid === undefined || started === undefined || !(pid > 1)) return undefined;
  if ((await startTime(pid)) !== started) return undefined;
  return (await commandLine(pid))?.includes(directory) ? pid : undefined;
}

/** @throws OperatorError `supervisor-missing` when runit is not installed */
export async function startSupervisor(directory: string, label: string): Promise<void> {
  if ((await supervisorPid(directory)) !== undefined) return;
  const pid = underSystemd()
    ? await startTransient(directory, label)
    : await startDetached(directory);
  await writeAtomic(`${directory}/.supervisor`, `${pid} ${await startTime(pid)}\n`);
}

function underSystemd(): boolean {
  return process.getuid?.() === 0 && existsSync('/run/systemd/system');
}

async function startDetached(directory: string): Promise<number> {
  // Most hooks find the supervisor running, and start nothing.
  const { spawn } = await import('node:child_process');
  const child = spawn('runsvdir', ['-P', directory, ERRORS], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
  });
  await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => fail(error))]);
  child.unref();
  return child.pid ?? fail('it has no process id');
}

/**
 * A restart of the machine stops the services before anything is killed, but does not wait for long
 * on one that cannot end, as a database whose archive has gone first. The end of runsvdir alone
 * ends none of them, as elsewhere.
 */
const PROPERTIES = [
  'ExecStop=/bin/sh -c "exec sv -w 20 stop ./*"',
  'KillMode=process',
  'TimeoutStopSec=30',
  'LimitNOFILE=65536',
];

async function startTransient(directory: string, label: string): Promise<number> {
  // Never the same name twice: that of a killed one is taken for as long as its services live on.
  const unit = `${label}-${randomBytes(4).toString('hex')}.service`;
  const properties = [...PROPERTIES, ...(await networkProperties())];
  await run(
    'systemd-run',
    [
      `--unit=${unit}`,
      '--collect',
      `--working-directory=${directory}`,
      ...properties.map((property) => `--property=${property}`),
      'runsvdir',
      '-P',
      directory,
      ERRORS,
    ],
    { timeoutMs: 20_000 },
  );
  const pid = await poll(
    async () => {
      const show = await run('systemctl', ['show', '--property=MainPID', '--value', unit], {
        timeoutMs: 10_000,
      });
      const main = Number(show.stdout.trim());
      if (!(main > 1)) return undefined;
      return (await commandLine(main))?.includes(directory) ? main : undefined;
    },
    { timeoutMs: 5000, everyMs: 50 },
  );
  return pid ?? fail(`${unit} has no main process`);
}

/**
 * Where the machine is a network namespace of this host, systemd would start it outside. The path
 * holds while this process waits for the start.
 */
async function networkProperties(): Promise<string[]> {
  const network = (pid: number) => readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
  const [own, host] = await Promise.all([network(process.pid), network(1)]);
  if (host === undefined || own === host) return [];
  return [`NetworkNamespacePath=/proc/${process.pid}/ns/net`];
}

function fail(reason: unknown): never {
  throw new OperatorError({
    code: 'supervisor-missing',
    message: `cannot start runsvdir: ${reason instanceof Error ? reason.message : String(reason)}`,
    hint: 'install the package runit',
  });
}

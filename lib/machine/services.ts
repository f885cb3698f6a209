/**
 * Services of one unit, supervised by runit. Speaks to runsv through its files (`supervise/status`,
 * `supervise/control`), so that asking and telling start no process.
 *
 * Every service runs behind a lock that it inherits: when runsv itself is killed its service lives
 * on, and the copy that the next runsv starts waits for the lock instead of running beside it. The
 * pid file is written by the holder of the lock and names the one process that really runs.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { poll } from '../std/clock.ts';
import { OperatorError, systemCode } from '../std/errors.ts';
import { namesNow, readIfExists, readNow, writeAtomic } from '../std/files.ts';
import { signal, startTime } from './processes.ts';
import { startSupervisor, supervisorPid } from './supervisor.ts';

export interface ServiceSpec {
  /** Program and arguments; nothing secret. */
  command: readonly string[];
  /** Name of the user to run as; left out: whoever runs the supervisor. */
  user?: string;
  env: Readonly<Record<string, string>>;
  /** Working directory; default `/`. Who ends an installation finds its processes by its paths. */
  directory?: string;
  /** Checked before the start: as long as it does not exist the service tries again. */
  requires?: string;
  /** A file that it reads; `read` beside its pid is what lay there when it was started. */
  reads?: string;
  /** What an earlier run of it may have left at work on this path is killed before the start. */
  orphans?: { programs: readonly string[]; path: string };
  /** Extended regular expression: what of its output is `***` in the log. */
  conceal?: string;
}

export interface ServiceState {
  /** The service's own process lives. */
  running: boolean;
  pid: number | undefined;
  /** It is meant to run, and will be started again when it ends. */
  wantedUp: boolean;
  /** It was last started for one run only. */
  once: boolean;
  /** Its runsv lives. */
  supervised: boolean;
  /** What it was defined to run. */
  spec: ServiceSpec | undefined;
}

export interface Services {
  list(): Promise<Record<string, ServiceState>>;
  state(name: string): Promise<ServiceState | undefined>;
  /** Creates or changes a service; a new one stays down until `up`. */
  define(name: string, spec: ServiceSpec): Promise<void>;
  up(name: string): Promise<void>;
  /** Starts it for one run: it stays down when that ends, also after a restart of the machine. */
  once(name: string): Promise<void>;
  /** Asks it to stop, and does not wait; it stays down also after a restart of the machine. */
  down(name: string): Promise<void>;
  /** Waits for the end of its process. @returns false when it still runs after `timeoutMs` */
  stopped(name: string, timeoutMs: number): Promise<boolean>;
  /** Ends the process; runsv starts it again. Default SIGTERM. */
  restart(name: string, how?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  hangup(name: string): Promise<void>;
  remove(name: string, timeoutMs: number): Promise<void>;
  supervised(): Promise<boolean>;
  /** Starts the supervisor unless it runs. */
  ensureSupervisor(): Promise<void>;
  /** Ends all services and their supervisor; what does not stop within `timeoutMs` is killed. */
  shutdown(timeoutMs: number): Promise<void>;
}

export interface RunitOptions {
  /** Directory that runsvdir watches. */
  directory: string;
  logs: string;
  /** Distinguishes this unit's transient unit where systemd runs. */
  label: string;
}

export function runitServices({ directory, logs, label }: RunitOptions): Services {
  return new Runit(directory, logs, label);
}

class Runit implements Services {
  readonly #directory: string;
  readonly #logs: string;
  readonly #label: string;

  constructor(directory: string, logs: string, label: string) {
    this.#directory = directory;
    this.#logs = logs;
    this.#label = label;
  }

  async state(name: string): Promise<ServiceState | undefined> {
    const spec = readNow(this.#at(name, 'spec.json'));
    if (spec === undefined) return undefined;
    const pid = await this.#pid(name);
    const [down, once] = [readNow(this.#at(name, 'down')), readNow(this.#at(name, 'once'))];
    const supervised = isSupervised(this.#at(name));
    const wantedUp = down === undefined;
    const running = pid !== undefined;
    return { running, pid, wantedUp, once: once !== undefined, supervised, spec: parse(spec) };
  }

  async list(): Promise<Record<string, ServiceState>> {
    const names = this.#names();
    const states = await Promise.all(
      names.map(async (name) => [name, await this.state(name)] as const),
    );
    return Object.fromEntries(
      states.filter((each): each is [string, ServiceState] => each[1] !== undefined),
    );
  }

  async define(name: string, spec: ServiceSpec): Promise<void> {
    await define({ directory: this.#directory, logs: this.#logs, name, spec });
  }

  async up(name: string): Promise<void> {
    await rm(this.#at(name, 'down'), { force: true });
    await rm(this.#at(name, 'once'), { force: true });
    // A runsv that is just starting has looked for `down` before it can be told: one that found it
    // would wait for good.
    const isTold = async () => (await control(this.#at(name), 'u')) || undefined;
    if (!(await isTold()) && (await this.supervised())) {
      await poll(isTold, { timeoutMs: START_MS, everyMs: 20 });
    }
  }

  async once(name: string): Promise<void> {
    await writeFile(this.#at(name, 'down'), '');
    await writeFile(this.#at(name, 'once'), '');
    // A supervisor that was only just started takes a moment until it can be told, and one that
    // has not noticed the end of the last run would not start another.
    const isReady = async () => ((await isAtRest(this.#at(name))) ? true : undefined);
    await poll(isReady, { timeoutMs: LISTEN_MS, everyMs: 20 });
    await control(this.#at(name), 'o');
  }

  async down(name: string): Promise<void> {
    await writeFile(this.#at(name, 'down'), '');
    await control(this.#at(name), 'd');
    // The process may be an orphan that runsv does not know: end it by its own pid.
    await this.#signal(name, 'SIGTERM');
  }

  async stopped(name: string, timeoutMs: number): Promise<boolean> {
    const gone = async () => ((await this.#pid(name)) === undefined ? true : undefined);
    return (await poll(gone, { timeoutMs, everyMs: 50 })) === true;
  }

  async restart(name: string, how: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#signal(name, how);
  }

  async hangup(name: string): Promise<void> {
    await this.#signal(name, 'SIGHUP');
  }

  async remove(name: string, timeoutMs: number): Promise<void> {
    if ((await this.state(name)) !== undefined) {
      await this.down(name);
      await this.#end(name, timeoutMs);
    }
    // Out of runsvdir's sight, which would start another runsv there; this one still writes its
    // status as it ends.
    const aside = this.#at(`.${name}.gone`);
    await rm(aside, REMOVAL);
    const moved = await rename(this.#at(name), aside).then(
      () => true,
      (error: unknown) => {
        if (systemCode(error) === 'ENOENT') return false;
        throw error;
      },
    );
    if (!moved) return;
    await control(aside, 'x');
    const hasEnded = async () => (isSupervised(aside) ? undefined : true);
    await poll(hasEnded, { timeoutMs, everyMs: 20 });
    await rm(aside, REMOVAL);
  }

  async supervised(): Promise<boolean> {
    return (await supervisorPid(this.#directory)) !== undefined;
  }

  ensureSupervisor(): Promise<void> {
    return startSupervisor(this.#directory, this.#label);
  }

  async shutdown(timeoutMs: number): Promise<void> {
    const names = this.#names();
    const supervisor = await supervisorPid(this.#directory);
    // Hangup makes runsvdir end its runsv processes, which end their services.
    if (supervisor !== undefined) signal(supervisor, 'SIGHUP');
    await Promise.all(names.map((name) => this.down(name)));
    await Promise.all(names.map((name) => this.#end(name, timeoutMs)));
    for (const name of names) {
      await control(this.#at(name), 'x');
      await control(this.#at(name, 'log'), 'x');
    }
  }

  #at(name: string, ...rest: string[]): string {
    return join(this.#directory, name, ...rest);
  }

  #names(): string[] {
    const found = namesNow(this.#directory);
    return found.filter((name) => !name.startsWith('.')).sort();
  }

  #pid(name: string): Promise<number | undefined> {
    return servicePid(this.#at(name, 'pid'));
  }

  async #signal(name: string, which: NodeJS.Signals): Promise<void> {
    const pid = await this.#pid(name);
    if (pid !== undefined) signal(pid, which);
  }

  async #end(name: string, timeoutMs: number): Promise<void> {
    if (await this.stopped(name, timeoutMs)) return;
    await this.#signal(name, 'SIGKILL');
    if (await this.stopped(name, 5000)) return;
    throw new OperatorError({
      code: 'service-does-not-stop',
      message: `cannot stop service ${name}: its process ignores SIGKILL`,
      hint: 'a disk that does not answer keeps a process alive; look at dmesg',
    });
  }
}

async function define(wish: {
  directory: string;
  logs: string;
  name: string;
  spec: ServiceSpec;
}): Promise<void> {
  const { directory, logs, name, spec } = wish;
  const place = join(directory, name);
  const log = join(logs, name);
  await mkdir(log, { recursive: true });
  await writeAtomic(join(log, 'config'), 's1000000\nn5\n', { mode: 0o644 });
  if ((await readIfExists(join(place, 'run'))) !== undefined) {
    await writeAtomic(join(place, 'start'), startScript(spec), { mode: 0o755 });
    await writeAtomic(join(place, 'spec.json'), JSON.stringify(spec), { mode: 0o644 });
    await redefineLogger(join(place, 'log'), logScript(log, spec.conceal));
    return;
  }
  // Built aside and moved: runsvdir must never see half a service. Names with a dot it skips.
  const aside = join(directory, `.${name}.new`);
  await rm(aside, { recursive: true, force: true });
  await mkdir(join(aside, 'log'), { recursive: true });
  const executable = { mode: 0o755 };
  await writeFile(join(aside, 'run'), RUN, executable);
  await writeFile(join(aside, 'start'), startScript(spec), executable);
  await writeFile(join(aside, 'log', 'run'), logScript(log, spec.conceal), executable);
  await writeFile(join(aside, 'spec.json'), JSON.stringify(spec));
  await writeFile(join(aside, 'down'), '');
  await rename(aside, place);
}

/** What it conceals may have changed; runsv keeps the pipe while another logger takes over. */
async function redefineLogger(place: string, script: string): Promise<void> {
  const file = join(place, 'run');
  if ((await readIfExists(file)) === script) return;
  await writeAtomic(file, script, { mode: 0o755 });
  await control(place, 't');
}

const LISTEN_MS = 5000;
/** From a runsv's first look for `down` to the moment at which it can be told, and far more. */
const START_MS = 1000;
/** The text of the script that becomes the service's logger. Pure. */
export function logScript(log: string, conceal?: string): string {
  const logger = `exec svlogd -tt ${quote(log)}`;
  if (conceal === undefined) return `#!/bin/sh\n${logger}\n`;
  const filter = `sed -u -E ${quote(`s|${conceal}|***|g`)}`;
  return [
    '#!/bin/sh',
    '# In the background its input would be nothing, were it not said.',
    'rm -f pipe; mkfifo -m 600 pipe; exec 3<&0',
    `(cd / && exec ${filter} <&3 3<&-) >pipe &`,
    `${logger} <pipe 3<&-`,
    '',
  ].join('\n');
}

const RUN = '#!/bin/sh\nexec 2>&1\nexec chpst -l lock ./start\n';

/** The text of the script that becomes the service, once it holds the lock. Pure. */
export function startScript(spec: ServiceSpec): string {
  const { command, user, env, directory = '/', requires, orphans, reads } = spec;
  const variables = Object.entries({
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    ...env,
  })
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join(' ');
  const asUser = user === undefined ? '' : `chpst -u ${quote(user)} `;
  return [
    '#!/bin/sh',
    ...(requires === undefined ? [] : [`[ -e ${quote(requires)} ] || exit 1`]),
    ...(orphans === undefined ? [] : endOrphans(orphans)),
    '# Process id and start time: together they name this process and no later one.',
    'read -r stat </proc/$$/stat; set -- $stat; shift 21; echo "$$ $1" >pid',
    // Moved into its place: whoever looks finds all of it.
    ...(reads === undefined ? [] : [`cp -p ${quote(reads)} read.new && mv -f read.new read`]),
    `cd ${quote(directory)}`,
    `exec env -i ${variables} ${asUser}${command.map(quote).join(' ')}`,
    '',
  ].join('\n');
}

/** By whole arguments: the path, alone or as a clone is told it, and then the program. */
function endOrphans({ programs, path }: NonNullable<ServiceSpec['orphans']>): string[] {
  const names = programs.map((name) => `-e ${quote(name)}`).join(' ');
  const paths = `-e ${quote(path)} -e ${quote(`--pgdata=${path}`)}`;
  return [
    `for file in $(grep -lsxzF ${paths} /proc/[0-9]*/cmdline); do`,
    `  2>/dev/null tr '\\0' '\\n' <"$file" | sed 's|.*/||' | grep -qxF ${names} || continue`,
    '  kill -9 "$(basename "$(dirname "$file")")"',
    'done',
  ];
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The process that a pid file names, if it lives and is not a later one with the same number. */
async function servicePid(file: string): Promise<number | undefined> {
  const [pid, started] = (readNow(file) ?? '').trim().split(' ').map(Number);
  if (pid === undefined || started === undefined || !(pid > 1)) return undefined;
  return (await startTime(pid)) === started ? pid : undefined;
}

/** runsv holds the reading end of `supervise/ok`: opening the writing end fails when it is gone. */
function isSupervised(place: string): boolean {
  try {
    closeSync(openSync(join(place, 'supervise', 'ok'), FIFO));
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** Its runsv lives and has nothing running: the last byte of `supervise/status` (runsv.c). */
async function isAtRest(place: string): Promise<boolean> {
  if (!isSupervised(place)) return false;
  const status = await readFile(join(place, 'supervise', 'status')).catch(() => undefined);
  return status?.[19] === 0;
}

/** @returns whether there was a runsv to be told */
async function control(place: string, command: 'u' | 'o' | 'd' | 't' | 'x'): Promise<boolean> {
  try {
    const pipe = await open(join(place, 'supervise', 'control'), FIFO);
    try {
      await pipe.write(command);
    } finally {
      await pipe.close();
    }
    return true;
  } catch (error) {
    // No runsv: the `down` file says what the next one shall do.
    if (!isAbsence(error)) throw error;
    return false;
  }
}

function parse(spec: string): ServiceSpec | undefined {
  try {
    return JSON.parse(spec);
  } catch {
    return undefined;
  }
}

/** Of a directory that a process may still write to for a moment. */
const REMOVAL = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 } as const;

const FIFO = constants.O_WRONLY | constants.O_NONBLOCK;

function isAbsence(error: unknown): boolean {
  return ['ENXIO', 'ENOENT', 'ENOTDIR', 'EPIPE'].includes(systemCode(error) ?? '');
}

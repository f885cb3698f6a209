/**
 * pgBackRest as a program: runs its commands as the servers' user with the unit's configuration,
 * passes its lines on, and turns a failure into its own words. Decides nothing; no secret is ever
 * in an argument, since all of them stand in the configuration file.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { formatDurationMs } from '../../../lib/std/duration.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { endWhenStalled } from './stall.ts';

export interface PgBackRestOptions {
  config: string;
  stanza: string;
  /** Default `/usr/bin/pgbackrest`. */
  program?: string;
  /** Whom to run as; only root may ask for another. */
  user?: { uid: number; gid: number } | undefined;
  /** Longest standstill of a backup or restore, in milliseconds; default 15 min. */
  quietMs?: number;
}

export interface PgBackRest {
  /** JSON of `info`, for the whole repository. */
  info(): Promise<string>;
  stanzaCreate(): Promise<void>;
  /** Switches to a new WAL segment and waits until it is in the repository. */
  check(): Promise<void>;
  /** @returns the label of the new backup */
  backup(type: BackupType, standby: boolean, onLine: OnLine): Promise<string>;
  restore(options: readonly string[], onLine: OnLine): Promise<void>;
  /** What PostgreSQL runs to fetch a WAL file. */
  restoreCommand(): string;
}

export type BackupType = 'full' | 'diff' | 'incr';
export type OnLine = (line: string) => void;

const SHORT_MS = 60_000;
const CHECK_MS = 120_000;
/** Nothing that long is at work any more: a backup of many terabytes takes less. */
const LONG_MS = 7 * 24 * 3600_000;
/**
 * Above pgBackRest's own limits (model/pgbackrest-config.ts), so that it can say itself what it has
 * waited for. 2.45 does not always: of a unit that dies in mid-copy it may never hear again.
 */
const QUIET_MS = 15 * 60_000;
const KEPT_ERRORS = 8;

export function createPgBackRest(options: PgBackRestOptions): PgBackRest {
  const program = options.program ?? '/usr/bin/pgbackrest';
  const config = `--config=${options.config}`;
  const stanza = `--stanza=${options.stanza}`;
  const { user, quietMs = QUIET_MS } = options;
  const run = (args: readonly string[], timeoutMs: number, onLine?: OnLine) =>
    runCommand({ program, args: [config, ...args], timeoutMs, quietMs, user, onLine });
  return {
    info: () => run(['--output=json', '--log-level-console=off', 'info'], SHORT_MS),
    async stanzaCreate() {
      await run([stanza, 'stanza-create'], CHECK_MS);
    },
    async check() {
      await run([stanza, 'check'], CHECK_MS);
    },
    async backup(type, standby, onLine) {
      const where = standby ? '--backup-standby' : '--no-backup-standby';
      let label = '';
      await run([stanza, `--type=${type}`, where, 'backup'], LONG_MS, (line) => {
        label = /new backup label = (\S+)/.exec(line)?.[1] ?? label;
        onLine(line);
      });
      if (label !== '') return label;
      throw new OperatorError({
        code: 'pgbackrest-failed',
        message: 'Failed to retrieve backup id',
        hint: 'the backup has ended, see list-backups',
      });
    },
    async restore(args, onLine) {
      await run([stanza, ...args, 'restore'], LONG_MS, onLine);
    },
    restoreCommand: () => `${program} ${config} ${stanza} archive-get %f "%p"`,
  };
}

interface Command {
  program: string;
  args: readonly string[];
  timeoutMs: number;
  quietMs: number;
  user: { uid: number; gid: number } | undefined;
  onLine: OnLine | undefined;
}

/**
 * @returns stdout when nobody follows its lines
 * @throws OperatorError `pgbackrest-failed`, `pgbackrest-stalled`
 */
function runCommand(command: Command): Promise<string> {
  const { program, args, timeoutMs, quietMs, user, onLine } = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' },
      ...(user === undefined ? {} : user),
    });
    const kept: string[] = [];
    const problems: string[] = [];
    let stalled: OperatorError | undefined;
    let last = '';
    const onStall = () => {
      stalled = standstill(args, quietMs, last);
    };
    const stall =
      child.pid === undefined ? undefined : endWhenStalled(child.pid, { quietMs, onStall });
    const watch = (line: string) => {
      stall?.heard();
      if (line.trim() !== '') last = line.trim();
      const problem = problemOf(line);
      if (problem !== undefined && problems.push(problem) > KEPT_ERRORS) problems.shift();
      if (onLine === undefined) kept.push(line);
      else onLine(line);
    };
    createInterface({ input: child.stdout }).on('line', watch);
    createInterface({ input: child.stderr }).on('line', watch);
    child.once('error', (error) => reject(failure(args, [error.message], undefined)));
    child.once('close', (code, signal) => {
      stall?.stop();
      if (stalled !== undefined) reject(stalled);
      else if (code === 0) resolve(kept.join('\n'));
      else reject(failure(args, problems, signal ?? `exit code ${code}`));
    });
  });
}

/** `[<time> P00  ]ERROR: [082]: …`; warnings are kept because they explain errors. */
export function problemOf(line: string): string | undefined {
  const match = /(?:^|P\d+\s+)(ERROR|WARN):\s+(.*)$/.exec(line);
  return match === null ? undefined : `${match[2]}`.trim();
}

function failure(
  args: readonly string[],
  problems: readonly string[],
  ending: string | undefined,
): OperatorError {
  const command = args.at(-1) ?? '';
  const said = problems.join('; ') || (ending ?? 'unknown reason');
  return new OperatorError({
    code: 'pgbackrest-failed',
    message: `cannot run pgbackrest ${command}: ${said}`,
    hint: 'the lines before say what it was doing',
  });
}

function standstill(args: readonly string[], quietMs: number, last: string): OperatorError {
  const command = args.at(-1) ?? '';
  const time = formatDurationMs(quietMs);
  const said = last === '' ? 'nothing' : last;
  return new OperatorError({
    code: 'pgbackrest-stalled',
    message: `cannot run pgbackrest ${command}: nothing moved for ${time}; its last words: ${said}`,
    hint: 'a unit or the store that it waits for may have died; once they answer, start it again',
  });
}

/**
 * A real installation for process tests: a directory of its own, the CLI as an operator runs it,
 * waiting by asking `status`, and an end that leaves neither process nor file, also after failures.
 */
import { spawn } from 'node:child_process';
import { chmod, glob, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '../../lib/std/clock.ts';
import { messageOf } from '../../lib/std/errors.ts';
import type { StatusDocument, UnitStatus } from '../../src/controller/api/documents.ts';
import { ensureBuilt } from './build.ts';
import { killNow, removeInstallation } from './processes.ts';
import { projectRoot } from './source-tree.ts';

export interface DeploymentOptions {
  /** Values of `model-config`, set before anything is deployed. */
  model?: Readonly<Record<string, string>>;
  /** Further environment of the CLI, and so of a controller that it starts. */
  env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  stdin?: string;
  /** Default 300,000; the command is killed after it. */
  timeoutMs?: number;
  /** A failure is an answer, not an error. */
  mayFail?: boolean;
}

export interface Deployment {
  /** The installation's directory (`D` in docs/architecture.md). */
  readonly root: string;
  /** Runs `pgcharm <words>`; a string is split at blanks. @throws when it fails */
  pgcharm(words: string | readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Standard output of `pgcharm <words> --format json`, parsed. */
  json<T>(words: string | readonly string[]): Promise<T>;
  status(): Promise<StatusDocument>;
  /** Units of an application by name; subordinates are not among them. */
  units(application: string): Promise<Record<string, UnitStatus>>;
  /** Waits until every named application has all its units active and idle. */
  active(applications: readonly string[], timeoutMs?: number): Promise<void>;
  /** Asks until `probe` answers something; @throws with the model's state when it never does */
  until<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs?: number): Promise<T>;
  /** Status, and the end of every log, for a failure's message. */
  diagnosis(): Promise<string>;
  /** Ends every process and removes the directory. */
  end(): Promise<void>;
}

/** Longer than anything takes on a machine that is busy with something else. */
const PATIENCE_MS = 180_000;
const ACTIVE_MS = 420_000;

/** Starts a controller in a directory of its own. The caller ends it: `after(() => it.end())`. */
export async function startDeployment(options: DeploymentOptions = {}): Promise<Deployment> {
  await ensureBuilt();
  // Short, because sockets lie below it; in the directory that the test run sweeps at its end.
  const root = await mkdtemp(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'pgc-'));
  await chmod(root, 0o711);
  const lastResort = () => killNow(root);
  process.once('exit', lastResort);
  const deployment = deploymentAt(root, options.env ?? {}, () => process.off('exit', lastResort));
  try {
    const settings = Object.entries(options.model ?? {}).map(([key, value]) => `${key}=${value}`);
    if (settings.length > 0) await deployment.pgcharm(['model-config', ...settings]);
    else await deployment.pgcharm('status');
    return deployment;
  } catch (error) {
    await deployment.end();
    throw error;
  }
}

/** Runs `body` with an installation of its own; a failure carries what the installation says. */
export async function withDeployment<T>(
  options: DeploymentOptions,
  body: (deployment: Deployment) => Promise<T>,
): Promise<T> {
  const deployment = await startDeployment(options);
  try {
    return await body(deployment);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${await deployment.diagnosis()}\n`);
    throw error;
  } finally {
    await deployment.end();
  }
}

/** An installation that exists already, such as one whose controller was started by hand. */
export function deploymentAt(
  root: string,
  env: Readonly<Record<string, string>> = {},
  onEnd: () => void = () => {},
): Deployment {
  const pgcharm: Deployment['pgcharm'] = async (words, options = {}) => {
    const args = typeof words === 'string' ? words.split(/\s+/) : [...words];
    const result = await runCli(args, { ...env, PGCHARM_DIR: root }, options);
    if (result.code !== 0 && options.mayFail !== true) {
      throw new Error(`pgcharm ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
    }
    return result;
  };
  const json: Deployment['json'] = async (words) => {
    const args = typeof words === 'string' ? words.split(/\s+/) : words;
    return JSON.parse((await pgcharm([...args, '--format', 'json'])).stdout);
  };
  const status = () => json<StatusDocument>('status');
  const diagnosis = () => describeState(root, pgcharm);
  const until: Deployment['until'] = async (what, probe, timeoutMs = PATIENCE_MS) => {
    const answer = await poll(probe, { timeoutMs, everyMs: 250 });
    if (answer !== undefined) return answer;
    throw new Error(`not within ${timeoutMs} ms: ${what}\n${await diagnosis()}`);
  };
  return {
    root,
    pgcharm,
    json,
    status,
    until,
    diagnosis,
    units: async (application) => (await status()).applications[application]?.units ?? {},
    async active(applications, timeoutMs = ACTIVE_MS) {
      const probe = async () => (allActive(await status(), applications) ? true : undefined);
      await until(`${applications.join(', ')} active`, probe, timeoutMs);
    },
    async end() {
      onEnd();
      await removeInstallation(root);
    },
  };
}

function allActive(status: StatusDocument, applications: readonly string[]): boolean {
  return applications.every((name) => {
    const units = Object.values(status.applications[name]?.units ?? {});
    return units.length > 0 && units.every(isSettled);
  });
}

/** Active, with nothing left to run. */
export function isSettled(unit: UnitStatus): boolean {
  return unit['workload-status'].current === 'active' && unit['juju-status'].current === 'idle';
}

function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { stdin = '', timeoutMs = 300_000 }: CommandOptions,
): Promise<CommandResult> {
  const program = join(projectRoot, 'scripts', 'pgcharm.mjs');
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  child.stdin.on('error', () => {}); // It may end without reading.
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const killed = signal === null ? '' : `\nkilled by ${signal} after ${timeoutMs} ms`;
      resolve({ code: code ?? 137, stdout: texts.stdout, stderr: texts.stderr + killed });
    });
  });
}

async function describeState(root: string, pgcharm: Deployment['pgcharm']): Promise<string> {
  const quick = { mayFail: true, timeoutMs: 20_000 };
  const status = await pgcharm(['status', '--relations', '--storage'], quick);
  const log = await pgcharm(['debug-log', '--replay', '--no-tail', '--limit', '60'], quick);
  return [
    status.stdout + status.stderr,
    log.stdout + log.stderr,
    await endOf(join(root, 'log', 'controller.log'), 30),
    ...(await serviceLogs(root)),
  ].join('\n');
}

/** What the services of every unit have said last. */
async function serviceLogs(root: string): Promise<string[]> {
  const files = await Array.fromAsync(glob(join(root, 'agents/*/*/log/*/current')));
  const texts = files.sort().map(async (file) => `${file}:\n${await endOf(file, 15)}`);
  return Promise.all(texts);
}

async function endOf(file: string, lines: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

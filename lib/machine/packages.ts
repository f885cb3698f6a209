/**
 * Which programs a machine has and in what versions, and how missing ones are installed with apt.
 *
 * A package must not start a service of its own: starts are denied by a policy-rc.d for the time of
 * the installation, and what a package enabled is disabled again. What ran before stays untouched.
 */
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { systemCode } from '../std/errors.ts';
import { namesNow, readNow, statNow, writeAtomic } from '../std/files.ts';
import { run } from './run.ts';

export interface Program {
  /** Absolute path. */
  path: string;
  /** Arguments that make it print its version; none: only whether it is there. */
  version: readonly string[];
}

/**
 * First version number that each program prints; a program that is absent has no entry.
 *
 * Asking costs up to 200 ms each, so answers are kept in `cacheFile` until a program's file
 * changes.
 */
export async function programVersions(
  programs: Readonly<Record<string, Program>>,
  cacheFile: string,
): Promise<Record<string, string>> {
  const stamps = Object.entries(programs).map(([name, { path }]) => [name, stampOf(path)] as const);
  const present = stamps.filter((each): each is [string, string] => each[1] !== undefined);
  const cached = parseCache(readNow(cacheFile));
  const fresh = Object.fromEntries(
    await Promise.all(
      present.map(async ([name, stamp]) => {
        const old = cached[name];
        if (old?.stamp === stamp) return [name, old] as const;
        const program = programs[name];
        return [name, { stamp, version: program ? await ask(program) : '' }] as const;
      }),
    ),
  );
  if (JSON.stringify(fresh) !== JSON.stringify(cached)) {
    // A cache that cannot be kept costs time and nothing else.
    await writeAtomic(cacheFile, JSON.stringify(fresh), { mode: 0o644 }).catch(() => undefined);
  }
  return Object.fromEntries(
    Object.entries(fresh).map(([name, { version }]) => [name, version] as const),
  );
}

type Cache = Record<string, { stamp: string; version: string }>;

function parseCache(text: string | undefined): Cache {
  try {
    return JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
}

function stampOf(path: string): string | undefined {
  const found = statNow(path);
  return found && `${path}:${Math.round(found.mtimeMs)}:${found.size}`;
}

async function ask({ path, version }: Program): Promise<string> {
  if (version.length === 0) return '';
  const { stdout, stderr } = await run(path, version, { timeoutMs: 20_000, accept: [0, 1] });
  return /\d+(?:\.\d+)+/.exec(`${stdout}\n${stderr}`)?.[0] ?? '';
}

/** Major versions of PostgreSQL whose server is installed, ascending. */
export function postgresMajors(root = '/usr/lib/postgresql'): number[] {
  return namesNow(root)
    .filter((name) => /^\d+$/.test(name) && stampOf(`${root}/${name}/bin/postgres`) !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

export type Availability = 'installed' | 'there' | 'absent' | 'unknown';

/** What apt knows of packages; unknown while it has never fetched its lists. */
export async function inArchive(names: readonly string[]): Promise<Record<string, Availability>> {
  const lists = await readdir('/var/lib/apt/lists').catch(() => []);
  const fetched = lists.some((name) => /_Packages(?:\.|$)/.test(name));
  const { stdout } = await run('apt-cache', ['policy', ...names], { timeoutMs: 30_000 });
  const found = Object.fromEntries(
    stdout
      .split(/^(?=\S)/m)
      .map((block) => [block.slice(0, block.indexOf(':')), availability(block)]),
  );
  const otherwise = fetched ? 'absent' : 'unknown';
  return Object.fromEntries(names.map((name) => [name, found[name] ?? otherwise]));
}

/** @param block what `apt-cache policy` prints of one package */
function availability(block: string): Availability | undefined {
  if (/^ +Installed: (?!\(none\))/m.test(block)) return 'installed';
  return /^ +Candidate: (?!\(none\))/m.test(block) ? 'there' : undefined;
}

const POLICY = '/usr/sbin/policy-rc.d';
const SET_ASIDE = '/usr/sbin/policy-rc.d.set-aside';
const CREATE_CLUSTER = '/etc/postgresql-common/createcluster.d/no-main-cluster.conf';

/** Installs Debian packages without questions and without starting anything. */
export async function installPackages(names: readonly string[]): Promise<void> {
  const enabledBefore = await enabledUnits();
  await denyStarts();
  try {
    await mkdir('/etc/postgresql-common/createcluster.d', { recursive: true });
    await writeFile(CREATE_CLUSTER, 'create_main_cluster = false\n');
    await apt(['update', '-q']);
    await apt(['install', '-y', '-q', '--no-install-recommends', ...names]);
  } finally {
    await allowStarts();
  }
  const enabledNow = await enabledUnits();
  const added = enabledNow.filter((unit) => !enabledBefore.includes(unit));
  if (added.length > 0) await run('systemctl', ['disable', ...added], { timeoutMs: 60_000 });
}

async function apt(args: readonly string[]): Promise<void> {
  // Another apt may hold the lock (unattended upgrades on a fresh machine): wait for it.
  const patience = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Options::=--force-confold'];
  await run('apt-get', [...patience, ...args], { timeoutMs: 900_000 });
}

async function denyStarts(): Promise<void> {
  // Set aside once: a repeat after a crash must not take our own file for the machine's.
  if (stampOf(SET_ASIDE) === undefined) {
    await rename(POLICY, SET_ASIDE).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error;
    });
  }
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n');
  await chmod(POLICY, 0o755);
}

async function allowStarts(): Promise<void> {
  await rm(POLICY, { force: true });
  await rename(SET_ASIDE, POLICY).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

async function enabledUnits(): Promise<string[]> {
  if (stampOf('/run/systemd/system') === undefined) return [];
  const list = await run(
    'systemctl',
    ['list-unit-files', '--state=enabled', '--no-legend', '--plain'],
    { timeoutMs: 30_000 },
  );
  return list.stdout
    .split('\n')
    .map((line) => line.split(/\s+/)[0] ?? '')
    .filter((unit) => unit !== '');
}

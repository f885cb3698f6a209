/**
 * Where the data of before a restore wait until it is proven: beside their place, on the same
 * filesystems, so that putting them back is a rename. Every function may be repeated after a crash
 * between any two of its steps.
 */
import { readdir, readFile, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { commandLine, signal } from '../../../lib/machine/processes.ts';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';

const STOP_MS = 60_000;

export function asideOf(path: string, tag: string): string {
  return `${path}.before-${tag.replace(/[^\w-]/g, '')}`;
}

/** Moves data and WAL aside; what a broken earlier attempt has restored is removed. */
export async function moveAside(data: string, tag: string): Promise<void> {
  const aside = asideOf(data, tag);
  if (!(await exists(aside))) await rename(data, aside);
  else await rm(data, { recursive: true, force: true });
  const wal = await walOf(aside);
  if (wal === undefined) return;
  const walAside = asideOf(wal, tag);
  if (!(await exists(walAside))) await rename(wal, walAside);
  else await rm(wal, { recursive: true, force: true });
}

/** Puts the old data back in their place. @returns false when none are aside */
export async function putBack(data: string, tag: string): Promise<boolean> {
  const aside = asideOf(data, tag);
  if (!(await exists(aside))) return false;
  const wal = await walOf(aside);
  await rm(data, { recursive: true, force: true });
  if (wal !== undefined && (await exists(asideOf(wal, tag)))) {
    await rm(wal, { recursive: true, force: true });
    await rename(asideOf(wal, tag), wal);
  }
  await rename(aside, data);
  return true;
}

/** Removes what was set aside, of this and of any earlier restore. */
export async function discard(data: string): Promise<void> {
  for (const tag of await tagsAside(data)) {
    const aside = asideOf(data, tag);
    const wal = await walOf(aside);
    if (wal !== undefined) await rm(asideOf(wal, tag), { recursive: true, force: true });
    await rm(aside, { recursive: true, force: true });
  }
}

/** The tags under which data lie aside, sorted. */
export async function tagsAside(data: string): Promise<string[]> {
  const prefix = asideOf(basename(data), '');
  const names = await readdir(dirname(data)).catch(() => []);
  const found = names.filter((name) => name.startsWith(prefix));
  return found.map((name) => name.slice(prefix.length)).sort();
}

/** Where the WAL of this data lies: a link leads there. Undefined: within the data. */
export async function walOf(data: string): Promise<string | undefined> {
  return readlink(join(data, 'pg_wal')).catch(() => undefined);
}

/** Ends a server that still runs on this data, whoever started it. */
export async function endServerOn(data: string): Promise<void> {
  const pid = await serverPid(data);
  if (pid === undefined) return;
  signal(pid, 'SIGINT');
  const gone = async () => ((await serverPid(data)) === undefined ? true : undefined);
  if ((await poll(gone, { timeoutMs: STOP_MS, everyMs: 100 })) === true) return;
  throw new OperatorError({
    code: 'server-does-not-stop',
    message: `cannot stop PostgreSQL: process ${pid} still runs after ${STOP_MS / 1000} s`,
  });
}

/** The postmaster of this data, if one lives. */
async function serverPid(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  // The number may belong to another process by now.
  return (await commandLine(pid))?.includes(data) === true ? pid : undefined;
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** What the machine gives this unit: processors, memory, users. Reads only, starts no process. */
import { availableParallelism } from 'node:os';
import { readNow } from '../std/files.ts';

/** Processors that this process may use, at least 1. */
export function cpuCount(): number {
  return Math.max(1, availableParallelism());
}

/**
 * The smaller of the machine's memory and the limit of the control group that this process is in.
 * @param root prefix of /proc and /sys, for tests
 */
export function memoryBytes(root = ''): number {
  const meminfo = readNow(`${root}/proc/meminfo`);
  const groups = readNow(`${root}/proc/self/cgroup`);
  const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo ?? '')?.[1] ?? '0') * 1024;
  const limits = limitFiles(groups ?? '').map((file) => readLimit(root + file));
  const all = [total, ...limits].filter((bytes) => bytes > 0 && Number.isFinite(bytes));
  return all.length === 0 ? 0 : Math.min(...all);
}

/** The limit of every ancestor counts: a group may use no more than the one above it. */
function limitFiles(groups: string): string[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const unified = controllers === '';
    if (!unified && !controllers.split(',').includes('memory')) return [];
    const mount = unified ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
    const file = unified ? 'memory.max' : 'memory.limit_in_bytes';
    const parts = path.split('/').filter((part) => part !== '');
    return [...parts.keys(), parts.length].map((depth) =>
      [mount, ...parts.slice(0, depth), file].join('/'),
    );
  });
}

/** `max`, and version 1's number close to 2^63, mean no limit. */
function readLimit(file: string): number {
  const text = readNow(file)?.trim();
  const value = Number(text);
  return text === undefined || !Number.isFinite(value) || value > 2 ** 60 ? 0 : value;
}

export interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

/** A user of /etc/passwd, or undefined when there is none of that name. */
export function systemUser(name: string, root = ''): SystemUser | undefined {
  const passwd = readNow(`${root}/etc/passwd`) ?? '';
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name);
  if (fields === undefined) return undefined;
  return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
}

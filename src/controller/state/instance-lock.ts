/**
 * One controller per directory. The lock is SQLite's own on a small file, which the kernel gives
 * back whatever way the process ends; the process id beside it is for people and scripts.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../../../lib/std/errors.ts';

export interface InstanceLock {
  release(): void;
}

/**
 * @param root absolute path of D
 * @throws OperatorError `already-running` when another process holds the lock
 */
export function takeInstanceLock(root: string): InstanceLock {
  const dir = join(root, 'state');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(join(dir, 'lock.db'), { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    throw new OperatorError({
      code: 'already-running',
      message: `cannot start: a controller already runs for ${root}`,
      hint: 'use it through the CLI, or stop it first with: npm stop',
      retry: 'never',
      cause,
    });
  }
  const pidFile = join(dir, 'controller.pid');
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release: () => {
      rmSync(pidFile, { force: true });
      db.close();
    },
  };
}

/** Starts a job's process: in a session of its own, its output in its log, nothing inherited. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';

export async function startProcess(
  runner: string,
  paths: { place: string; log: string },
): Promise<void> {
  const log = await open(paths.log, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [runner, paths.place], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', TZ: 'UTC' },
    });
    const failed = once(child, 'error').then(([error]) => {
      throw error;
    });
    await Promise.race([once(child, 'spawn'), failed]);
    child.unref();
  } finally {
    await log.close();
  }
}

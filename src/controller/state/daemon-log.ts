/**
 * The daemon's own log file: plain lines, mode 0600, turned over once at 4 MiB so that it never
 * takes more than twice that. Writes at once: the last line before a crash is the one that matters.
 */
import { appendFileSync, chmodSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Log, logTo } from '../../../lib/std/log.ts';

const TURN_OVER_BYTES = 4 * 1024 * 1024;

export function daemonLog(path: string): Log {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  appendFileSync(path, '', { mode: 0o600 });
  chmodSync(path, 0o600);
  let size = statSync(path).size;
  return logTo((level, line) => {
    if (level === 'debug') return;
    const text = `${new Date().toISOString()} ${level.toUpperCase()} ${line}\n`;
    try {
      if (size > TURN_OVER_BYTES) {
        renameSync(path, `${path}.1`);
        size = 0;
      }
      appendFileSync(path, text, { mode: 0o600 });
      size += Buffer.byteLength(text);
    } catch {
      // A full disk must not end the controller, and there is nowhere else to say so.
    }
  });
}

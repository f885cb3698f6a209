/** Passes on the lines of a growing log until its job has ended and the last line is out. */
import { open } from 'node:fs/promises';
import { systemClock } from '../../../lib/std/clock.ts';
import { systemCode } from '../../../lib/std/errors.ts';

const EVERY_MS = 150;

export interface Follow {
  onLine: (line: string) => void;
  isRunning: () => Promise<boolean>;
  signal: AbortSignal;
}

export async function followLog(file: string, follow: Follow): Promise<void> {
  let offset = 0;
  let rest = '';
  while (!follow.signal.aborted) {
    // Asked before reading: what is written until the end is then read after it.
    const running = await follow.isRunning();
    const text = await readFrom(file, offset);
    offset += text.length;
    const lines = (rest + text.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) follow.onLine(line);
    if (!running) {
      if (rest !== '') follow.onLine(rest);
      return;
    }
    await systemClock.sleep(EVERY_MS, follow.signal).catch(() => undefined);
  }
}

async function readFrom(file: string, offset: number): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= offset) return Buffer.alloc(0);
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(Math.min(size - offset, 1_000_000)),
        0,
        null,
        offset,
      );
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/**
 * Measures the filesystems that a restore writes to on this unit. Reads only; what the numbers mean
 * is decided by decide/restore-room.ts.
 */
import { lstat, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { neededBytes, type Room } from '../decide/restore-room.ts';
import { walOf } from '../jobs/old-data.ts';

interface Place {
  storage: Room['storage'];
  path: string;
  /** What lies there and is to be removed. */
  directories: string[];
}

/**
 * The filesystems of data and WAL, each once. How much the present data take there is measured only
 * where it matters: to ask each of their files takes a while.
 *
 * @param databaseBytes size of what is to be cloned in their place; undefined: they stay
 */
export async function measureRooms(dataDir: string, databaseBytes?: number): Promise<Room[]> {
  const wal = await walOf(dataDir);
  const within: Place = { storage: 'data', path: dataDir, directories: [dataDir] };
  const places = [within];
  if (wal !== undefined) {
    const shared = (await deviceOf(wal)) === (await deviceOf(dataDir));
    if (shared) within.directories.push(wal);
    else places.push({ storage: 'logs', path: wal, directories: [wal] });
  }
  return Promise.all(
    places.map(async ({ storage, path, directories }): Promise<Room> => {
      const { bavail, bsize } = await statfs(await existing(path));
      const room = { storage, path, freeBytes: bavail * bsize };
      if (databaseBytes === undefined || room.freeBytes >= neededBytes(room, databaseBytes)) {
        return room;
      }
      const held = await Promise.all(directories.map(sizeOf));
      return { ...room, heldBytes: held.reduce((sum, bytes) => sum + bytes, 0) };
    }),
  );
}

async function deviceOf(path: string): Promise<number> {
  return (await stat(await existing(path))).dev;
}

/** A member that has never cloned has no directory yet: it will lie on the filesystem above. */
async function existing(path: string): Promise<string> {
  const there = await stat(path).catch(() => undefined);
  return there !== undefined || path === dirname(path) ? path : existing(dirname(path));
}

/** Bytes that are free when this is removed; a server at work may remove files meanwhile. */
async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += await sizeOf(path);
    else bytes += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512;
  }
  return bytes;
}

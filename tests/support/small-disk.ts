/**
 * A filesystem of its own at a place of the test, whose room the test sets as it goes on: the real
 * refusal of a real disk. Needs root; whoever asks without it gets undefined and skips.
 */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, statfs } from 'node:fs/promises';

export interface SmallDisk {
  /** From now on `bytes` are free; undefined: plenty. */
  leave(bytes: number | undefined): Promise<void>;
  /** Takes it away, also from under processes that still have files on it. */
  end(): void;
}

/** @param place a directory to be; what is written below it needs memory */
export async function mountDisk(place: string): Promise<SmallDisk | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  await mkdir(place, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=50%,mode=0711', 'tmpfs', place]);
  await chmod(place, 0o711);
  const end = () => {
    process.off('exit', end);
    execFileSync('umount', ['--lazy', place]);
  };
  process.once('exit', end);
  return {
    async leave(bytes) {
      const { blocks, bfree, bsize } = await statfs(place);
      const size = bytes === undefined ? '50%' : String((blocks - bfree) * bsize + bytes);
      execFileSync('mount', ['-o', `remount,size=${size}`, place]);
    },
    end,
  };
}

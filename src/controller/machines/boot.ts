/**
 * Whether this host, or the container that plays one, has started anew since the controller last
 * ran: every process is gone then, and units must get their start event.
 *
 * Three witnesses: the kernel's boot id, the start of process 1, and a marker in the directory that
 * a boot empties. One that cannot be read says nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statOf } from '../runner/process-record.ts';

/** A text that stays the same for as long as this host is up. */
export function hostIdentity(): string {
  return `${bootId()}/${statOf(1)?.[19] ?? ''}`;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** Where the marker of an installation is; undefined when there is no such directory for us. */
export function bootMarker(root: string, env: NodeJS.ProcessEnv): string | undefined {
  const dir = process.getuid?.() === 0 ? '/run' : env['XDG_RUNTIME_DIR'];
  if (dir === undefined || !existsSync(dir)) return undefined;
  const id = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return join(dir, `pgcharm-${id}.boot`);
}

/**
 * Leaves the marker for next time.
 *
 * @param last identity at the last run, undefined at the first
 */
export function hasRebooted(last: string | undefined, marker: string | undefined): boolean {
  const marked = marker === undefined || existsSync(marker);
  if (marker !== undefined && !marked) writeFileSync(marker, '', { mode: 0o600 });
  return last !== undefined && (last !== hostIdentity() || !marked);
}

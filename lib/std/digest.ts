/**
 * Short names for texts: equal texts have equal digests, and a digest tells nothing of its text.
 */
import { createHash } from 'node:crypto';

/** 16 hexadecimal digits of SHA-256. */
export function digestOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

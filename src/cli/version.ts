/** Which pgcharm this is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clone } from './clone.ts';

/** The version in package.json. */
export function ownVersion(): string {
  const text = readFileSync(join(clone, 'package.json'), 'utf8');
  const parsed: unknown = JSON.parse(text);
  const version = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return version ? String(parsed.version) : 'unknown';
}

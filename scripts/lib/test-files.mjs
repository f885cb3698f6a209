/**
 * Which test files there are, layer by layer, and how each layer is run.
 *
 * A layer is a directory below tests/; the order is from fast to slow.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './node.mjs';

/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {number} concurrency files at a time: what starts databases waits more than it works
 * @property {number} timeoutMs of one file
 * @property {'waits' | 'all'} [repeats] what gives a file a second attempt: a wait that ran out or
 *   a command that failed, or a wrong answer as well; none without it
 */

/** @type {Layer[]} */
export const fastLayers = [
  { name: 'tidy', concurrency: 1, timeoutMs: 60_000 },
  { name: 'unit', concurrency: 2, timeoutMs: 60_000 },
  { name: 'transition', concurrency: 2, timeoutMs: 60_000 },
  { name: 'contract', concurrency: 2, timeoutMs: 120_000 },
];

/** @type {Layer[]} */
export const slowLayers = [
  { name: 'sim', concurrency: 2, timeoutMs: 300_000 },
  { name: 'process', concurrency: 2, timeoutMs: 900_000, repeats: 'all' },
  { name: 'chaos', concurrency: 2, timeoutMs: 900_000, repeats: 'waits' },
];

/** Test files of a layer, sorted; `tidy` is one file beside the layers. */
export function filesOf(layer) {
  const root = join(projectRoot, 'tests');
  if (layer === 'tidy') return [join(root, 'tidy.test.ts')].filter((file) => existsSync(file));
  const directory = join(root, layer);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name))
    .sort();
}

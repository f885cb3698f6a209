/** The clone that this program belongs to. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const clone = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

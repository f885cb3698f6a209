/** Types of builtin-imports.mjs for the tests. */
import type { Plugin } from 'esbuild';

export function builtinImports(): Plugin;

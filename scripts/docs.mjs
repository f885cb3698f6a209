/**
 * Writes docs/reference/ from the sources; `--check` only says which pages are out of date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot, underPinnedNode } from './lib/node.mjs';
import { Refusal, runScript, say } from './lib/terminal.mjs';

await runScript(async (args) => {
  const code = await underPinnedNode('docs.mjs', args);
  if (code !== undefined) return code;
  const { referencePages } = await import('./lib/reference.mjs');
  const stale = Object.entries(referencePages()).filter(([path, text]) => {
    const file = join(projectRoot, path);
    return !existsSync(file) || readFileSync(file, 'utf8') !== text;
  });
  const names = stale.map(([path]) => path).join(', ');
  if (args.includes('--check')) {
    if (stale.length === 0) return 0;
    throw new Refusal(`${names} differ from the sources`, 'run `node scripts/docs.mjs`');
  }
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(projectRoot, path)), { recursive: true });
    writeFileSync(join(projectRoot, path), text);
  }
  say(stale.length === 0 ? 'docs/reference is up to date' : `wrote ${names}`);
});

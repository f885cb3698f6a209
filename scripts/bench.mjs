/**
 * `npm run bench -- [--json] [id…]`: sets up as `npm start` does, then measures. With --json,
 * standard output holds the array of figures and nothing else.
 */
import { runPinned, underPinnedNode } from './lib/node.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { runScript } from './lib/terminal.mjs';

await runScript(async (args) => {
  if (args.includes('--json')) process.env.PGCHARM_SAY = 'stderr';
  await ensurePackages();
  const code = await underPinnedNode('bench.mjs', args);
  if (code !== undefined) return code;
  return await runPinned('bench/main.ts', args);
});

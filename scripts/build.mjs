/**
 * Builds dist/release (the controller), dist/charms/<name> and dist/<name>.charm, all by esbuild.
 * `build [name…]` builds only those. Does nothing when no input changed.
 *
 * The work itself needs npm packages, so this file only sees to them and hands over.
 */

import { underPinnedNode } from './lib/node.mjs';
import { runScript, say } from './lib/terminal.mjs';

await runScript(async (names) => {
  // A bundle holds names of Node's own modules, which are those of the Node that will run it.
  const code = await underPinnedNode('build.mjs', names);
  if (code !== undefined) return code;
  const { build } = await import('./lib/compile.mjs');
  const { built, unchanged } = await build({ names });
  for (const target of built) say(`built ${target.name}`, `${target.why}, ${target.ms} ms`);
  if (built.length === 0) say('nothing to build', `${unchanged} targets are up to date`);
});

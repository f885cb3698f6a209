/**
 * The fast checks, for use while working: types, lint, tidy rules, and the tests that start no
 * database. `check [text…]` runs only the test files whose path holds one of the texts.
 *
 * `npm test` is the whole proof; this one never is.
 */
import { underPinnedNode } from './lib/node.mjs';
import { runScript } from './lib/terminal.mjs';

await runScript(async (texts) => {
  const code = await underPinnedNode('check.mjs', texts);
  if (code !== undefined) return code;
  const { emptyTally, runLayers, conclude } = await import('./lib/run-tests.mjs');
  const { runStaticChecks } = await import('./lib/static-checks.mjs');
  const { fastLayers } = await import('./lib/test-files.mjs');
  const started = Date.now();
  const tally = emptyTally();
  if (texts.length === 0) await runStaticChecks(tally);
  const wanted = (file) => texts.length === 0 || texts.some((text) => file.includes(text));
  await runLayers(fastLayers, tally, wanted);
  return conclude(tally, started);
});

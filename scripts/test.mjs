/**
 * `npm test`: the whole proof, from a fresh clone: sets up as `npm start` does, then types, lint
 * and every layer of tests. `npm test -- [text…]` runs only files whose path holds one of the
 * texts.
 *
 * Fails when a test fails and when a test left a process behind. The last line is `N passed, N
 * failed`.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { underPinnedNode } from './lib/node.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { runScript, say } from './lib/terminal.mjs';

await runScript(async (texts) => {
  await ensurePackages();
  const code = await underPinnedNode('test.mjs', texts);
  if (code !== undefined) return code;
  const { emptyTally, conclude, record } = await import('./lib/run-tests.mjs');
  const { build } = await import('./lib/compile.mjs');
  const started = Date.now();
  const tally = emptyTally();
  const isBuilt = await build().then(
    () => true,
    (error) => {
      say(`FAILED: build: ${error.message}`);
      return false;
    },
  );
  record(tally, 'build', isBuilt);
  // Installations of this run lie in one directory, so that what it leaves behind can be found.
  const directory = mkdtempSync(join(tmpdir(), 'pgct-'));
  chmodSync(directory, 0o711);
  process.env.PGCHARM_TEST_DIR = directory;
  try {
    await runAll(texts, tally, isBuilt);
  } finally {
    await sweep(directory, tally);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  return conclude(tally, started);
});

/** What needs a build is left out when there is none: its failure is counted already. */
async function runAll(texts, tally, isBuilt) {
  const { runLayers } = await import('./lib/run-tests.mjs');
  const { runStaticChecks } = await import('./lib/static-checks.mjs');
  const { fastLayers, slowLayers } = await import('./lib/test-files.mjs');
  if (texts.length === 0) await runStaticChecks(tally);
  const wanted = (file) => texts.length === 0 || texts.some((text) => file.includes(text));
  await runLayers([...fastLayers, ...(isBuilt ? slowLayers : [])], tally, wanted);
}

/** A process that outlived its test is a failure, and is ended. */
async function sweep(directory, tally) {
  const { record } = await import('./lib/run-tests.mjs');
  const { killAll, processesOf } = await import('./lib/processes.mjs');
  const left = processesOf(directory);
  for (const { pid, command } of left) say(`left behind: process ${pid}`, command);
  record(tally, 'no process is left behind', left.length === 0);
  await killAll(directory);
}

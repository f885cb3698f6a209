/**
 * Runs test files with node:test and keeps count. Needs the pinned Node, which runs TypeScript.
 *
 * Prints a line per file, and for every failure its name and error; counts tests, not suites.
 */
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { projectRoot } from './node.mjs';
import { elapsed, say } from './terminal.mjs';
import { filesOf } from './test-files.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number, failures: string[] }} Tally */

/** @returns {Tally} */
export function emptyTally() {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

/** Counts something that is not a test of node:test (the type check, a final sweep) as one. */
export function record(tally, name, ok) {
  if (ok) tally.passed += 1;
  else {
    tally.failed += 1;
    tally.failures.push(name);
  }
}

/**
 * @param {import('./test-files.mjs').Layer[]} layers
 * @param {Tally} tally counts are added to it
 * @param {(file: string) => boolean} [wanted] which files; default all
 */
export async function runLayers(layers, tally, wanted = () => true) {
  for (const layer of layers) {
    const files = filesOf(layer.name).filter(wanted);
    if (files.length === 0) continue;
    const started = Date.now();
    const before = tally.passed + tally.failed;
    await runFiles(files, layer, tally);
    const count = tally.passed + tally.failed - before;
    say(`${layer.name}: ${count} tests in ${files.length} files, ${elapsed(started)}`);
  }
}

/** Resolves when every file has ended. */
function runFiles(files, layer, tally) {
  const { concurrency, timeoutMs } = layer;
  const execArgv = ['--import', join(projectRoot, 'tests', 'support', 'seed.ts')];
  // Without isolation by process, one file's leftovers would fail another.
  const stream = run({ files, concurrency, timeout: timeoutMs, isolation: 'process', execArgv });
  return new Promise((resolve, reject) => {
    stream.on('test:pass', (event) => passed(event, tally));
    stream.on('test:fail', (event) => failed(event, tally));
    stream.on('test:complete', (event) => tellSlow(event));
    stream.on('test:stderr', ({ message }) => process.stderr.write(message));
    stream.on('error', reject);
    stream.on('end', resolve);
    stream.resume();
  });
}

function passed(event, tally) {
  if (event.details.type === 'suite') return;
  if (event.skip !== undefined && event.skip !== false) {
    tally.skipped += 1;
    say(`skipped: ${where(event)}${event.name}`, String(event.skip));
  } else if (!isWholeFile(event)) tally.passed += 1;
}

function failed(event, tally) {
  const { error } = event.details;
  // A parent fails because its child did: the child is counted.
  if (error?.failureType === 'subtestsFailed') return;
  const name = `${where(event)}${event.name}`;
  tally.failed += 1;
  tally.failures.push(name);
  const cause = error?.cause ?? error;
  say(`FAILED: ${name}`);
  say(indent(cause?.stack ?? String(cause)));
}

/** Which files take the time; a minute of one is worth knowing. */
function tellSlow({ nesting, name, file, details }) {
  const seconds = Math.round(details.duration_ms / 1000);
  if (isWholeFile({ nesting, name, file }) && seconds >= 20) {
    say(`  ${relative(projectRoot, file)}: ${seconds}s`);
  }
}

/** With process isolation a file is a test of its own around those in it. */
function isWholeFile(event) {
  return event.nesting === 0 && event.name === event.file;
}

function where(event) {
  return event.file === undefined ? '' : `${relative(projectRoot, event.file)}: `;
}

function indent(text) {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

/** Prints the names of the failures and, last, the plain line with the counts. */
export function conclude(tally, started) {
  for (const name of tally.failures) say(`failed: ${name}`);
  if (tally.skipped > 0) say(`${tally.skipped} skipped`);
  say(`took ${elapsed(started)}`);
  say(`${tally.passed} passed, ${tally.failed} failed`);
  // Nothing ran: a mistyped name must not look like success.
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1;
}

/**
 * Runs test files with node:test and keeps count. Needs the pinned Node, which runs TypeScript.
 *
 * Prints a line per file, and for every failure its name and error; counts tests, not suites.
 *
 * In layers with real servers, a file that failed is run once more, alone, but a wrong answer of
 * the chaos layer is never asked for again (docs/decisions: second-attempt).
 */
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { projectRoot } from './node.mjs';
import { elapsed, say } from './terminal.mjs';
import { filesOf } from './test-files.mjs';

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} failures names of what failed
 * @property {string[]} repeated names of what failed at first and passed when run again
 */

/**
 * What one file's tests said.
 * @typedef {object} Outcome
 * @property {number} passed
 * @property {number} skipped
 * @property {string[]} failures
 * @property {boolean} isWrong the first failure was a wrong answer, not a failed wait or command
 */

/** More files than this point to a defect, not to a busy machine. */
const SECOND_ATTEMPTS = 2;

/** @returns {Tally} */
export function emptyTally() {
  return { passed: 0, failed: 0, skipped: 0, failures: [], repeated: [] };
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
    const outcomes = await runFiles(files, layer);
    await tryAgain(outcomes, layer, tally);
    for (const outcome of outcomes.values()) add(outcome, tally);
    const count = tally.passed + tally.failed - before;
    say(`${layer.name}: ${count} tests in ${files.length} files, ${elapsed(started)}`);
  }
}

function add({ passed, skipped, failures }, tally) {
  tally.passed += passed;
  tally.skipped += skipped;
  tally.failed += failures.length;
  tally.failures.push(...failures);
}

/** Replaces the outcomes of files that deserve a second attempt. */
async function tryAgain(outcomes, layer, tally) {
  const failed = [...outcomes].filter(([, { failures }]) => failures.length > 0);
  if (layer.repeats === undefined || failed.length > SECOND_ATTEMPTS) return;
  for (const [file, { failures, isWrong }] of failed) {
    if (isWrong && layer.repeats === 'waits') continue;
    say(`again, alone: ${relative(projectRoot, file)}`);
    const second = (await runFiles([file], { ...layer, concurrency: 1 })).get(file);
    if (second === undefined) continue;
    outcomes.set(file, second);
    if (second.failures.length === 0) tally.repeated.push(...failures);
  }
}

/** Resolves when every file has ended. @returns {Promise<Map<string, Outcome>>} by file */
function runFiles(files, layer) {
  const { concurrency, timeoutMs } = layer;
  const execArgv = ['--import', join(projectRoot, 'tests', 'support', 'seed.ts')];
  // Without isolation by process, one file's leftovers would fail another.
  const stream = run({ files, concurrency, timeout: timeoutMs, isolation: 'process', execArgv });
  const outcomes = new Map();
  const outcomeOf = ({ file }) => {
    const fresh = () => ({ passed: 0, skipped: 0, failures: [], isWrong: false });
    return outcomes.get(file) ?? outcomes.set(file, fresh()).get(file);
  };
  return new Promise((resolve, reject) => {
    stream.on('test:pass', (event) => passed(event, outcomeOf(event)));
    stream.on('test:fail', (event) => failed(event, outcomeOf(event)));
    stream.on('test:complete', (event) => tellSlow(event));
    stream.on('test:stderr', ({ message }) => process.stderr.write(message));
    stream.on('error', reject);
    stream.on('end', () => resolve(outcomes));
    stream.resume();
  });
}

function passed(event, outcome) {
  if (event.details.type === 'suite') return;
  if (event.skip !== undefined && event.skip !== false) {
    outcome.skipped += 1;
    say(`skipped: ${where(event)}${event.name}`, String(event.skip));
  } else if (!isWholeFile(event)) outcome.passed += 1;
}

function failed(event, outcome) {
  const { error } = event.details;
  // A parent fails because its child did: the child is counted.
  if (error?.failureType === 'subtestsFailed') return;
  const name = `${where(event)}${event.name}`;
  const cause = error?.cause ?? error;
  // Tests of a file share a deployment: what comes after the first failure builds on it.
  if (outcome.failures.length === 0) outcome.isWrong = cause?.code === 'ERR_ASSERTION';
  outcome.failures.push(name);
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
  for (const name of tally.repeated) say(`passed at the second attempt only: ${name}`);
  for (const name of tally.failures) say(`failed: ${name}`);
  if (tally.skipped > 0) say(`${tally.skipped} skipped`);
  say(`took ${elapsed(started)}`);
  say(`${tally.passed} passed, ${tally.failed} failed`);
  // Nothing ran: a mistyped name must not look like success.
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1;
}

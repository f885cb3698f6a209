#!/usr/bin/env node
/**
 * The package's `pgcharm` command, in JavaScript that any Node >= 20 can run.
 *
 * Finds the pinned Node 24, runs under it, and hands over to src/cli/main.ts with a compile cache.
 * It installs nothing: a missing runtime is one sentence and a hint.
 */
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = realpathSync(fileURLToPath(import.meta.url));
const clone = dirname(dirname(script));
const packages = ['x64', 'arm64'].includes(process.arch) ? [`node-linux-${process.arch}`] : [];
const pinned = packages
  .map((name) => join(clone, 'node_modules', name, 'bin', 'node'))
  .find((path) => existsSync(path));

if (pinned === undefined) {
  process.stderr.write(
    `ERROR cannot start: the pinned Node is missing below ${join(clone, 'node_modules')}\n` +
      'run `npm ci` there, or `npm start`, which installs all that is needed\n',
  );
  process.exitCode = 1;
} else if (realpathSync(process.execPath) === realpathSync(pinned)) {
  module.enableCompileCache(join(clone, 'node_modules', '.cache', 'node'));
  await import('../src/cli/main.ts');
} else {
  runUnder(pinned, [script, ...process.argv.slice(2)]);
}

/** Runs a child on the same streams and passes its end on. */
function runUnder(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' });
  // The terminal sends its signals to both; the child decides what they mean.
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP']) process.on(signal, () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0);
  });
}

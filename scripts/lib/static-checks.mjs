/**
 * The checks that run no code of ours: the type check and the linter with its formatter.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, projectRoot } from './node.mjs';
import { record } from './run-tests.mjs';
import { elapsed, say } from './terminal.mjs';

const checks = [
  { name: 'types (tsc)', program: 'typescript/bin/tsc', args: [] },
  {
    name: 'lint and format (biome)',
    program: '@biomejs/biome/bin/biome',
    args: ['ci', '--colors=off', '--diagnostic-level=warn', '--error-on-warnings'],
  },
];

/** Runs them side by side and counts each as one test. */
export async function runStaticChecks(tally) {
  await Promise.all(checks.map((check) => runCheck(check, tally)));
}

async function runCheck({ name, program, args }, tally) {
  const started = Date.now();
  const script = join(projectRoot, 'node_modules', program);
  const child = spawn(pinnedNode(), [script, ...args], { cwd: projectRoot });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  record(tally, name, code === 0);
  if (code !== 0) say(output.trimEnd());
  say(`${name}: ${code === 0 ? 'ok' : 'FAILED'}, ${elapsed(started)}`);
}

/**
 * Runs `pgcharm` as a person would type it. Needs the npm packages to be there.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pinnedNode, projectRoot } from './node.mjs';
import { Refusal } from './terminal.mjs';

const program = join(projectRoot, 'scripts', 'pgcharm.mjs');

/** With the terminal passed on. @throws Refusal when it fails; what was wrong it has said itself */
export async function pgcharm(...args) {
  const { code } = await run(args, 'inherit');
  if (code !== 0) throw new Refusal('');
}

/** Its standard output, parsed. @throws Refusal with the last line that it said */
export async function pgcharmJson(...args) {
  const { code, stdout, stderr } = await run([...args, '--format', 'json'], 'pipe');
  if (code === 0) return JSON.parse(stdout);
  const said = stderr.trim().split('\n').at(-1);
  throw new Refusal(`cannot go on: pgcharm ${args[0]} ended with ${code}: ${said}`);
}

function run(args, output) {
  const child = spawn(pinnedNode(), [program, ...args], { stdio: ['ignore', output, output] });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name]?.setEncoding('utf8').on('data', (text) => {
      texts[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, ...texts }));
  });
}

/**
 * `npm run clean`: ends every process of the installation and removes every file of it, data and
 * backups included, after asking; `--yes` does not ask. The clone and the system packages stay.
 */
import { readdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { underPinnedNode } from './lib/node.mjs';
import { Refusal, runScript, say } from './lib/terminal.mjs';

await runScript(async (args) => {
  const code = await underPinnedNode('clean.mjs', args);
  if (code !== undefined) return code;
  const { resolveRoot } = await import('../src/cli/root.ts');
  const { forgetSupervisors, removeUnit, stopController } = await import('./lib/controller.mjs');
  const { killAll } = await import('./lib/processes.mjs');
  const { forgetBoot } = await import('./lib/services.mjs');
  const root = resolveRoot(process.env);
  requireInstallation(root);
  if (!args.includes('--yes')) await confirm(root);
  await stopController(root);
  await removeUnit(root);
  const left = await killAll(root);
  if (left.length > 0) {
    const pids = left.map(({ pid }) => pid).join(' ');
    throw new Refusal(
      `cannot end processes ${pids} of ${root}`,
      'end them as the user they run as',
    );
  }
  forgetBoot(root);
  forgetSupervisors(root);
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  say(`removed ${root} and all that ran from it`);
});

/** A directory that PGCHARM_DIR names by mistake is not removed. */
function requireInstallation(root) {
  const names = readdirSync(root);
  if (names.length === 0 || (names.includes('release') && names.includes('bin'))) return;
  throw new Refusal(
    `cannot clean ${root}: it does not look like an installation of pgcharm`,
    'set PGCHARM_DIR to the directory of the installation, or unset it',
  );
}

async function confirm(root) {
  if (!process.stdin.isTTY) {
    throw new Refusal(`cannot remove ${root} without a yes`, 'run `npm run clean -- --yes`');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`remove ${root}, with all databases in it? [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Refusal('nothing was removed');
}

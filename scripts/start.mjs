/**
 * `npm start`: from a clone to a running model. Installs what is missing, builds, starts the
 * controller, deploys the bundle, waits until all is active, takes a first backup, and says how to
 * use what runs. `npm start -- <bundle.yaml>` takes another bundle.
 *
 * A second run changes nothing but what is older than the clone; databases are never stopped.
 */
import { readFileSync, statfsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { withLock } from './lib/lock.mjs';
import { projectRoot, underPinnedNode } from './lib/node.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { elapsed, Refusal, runScript, say } from './lib/terminal.mjs';

const leastFreeBytes = 2 * 1024 ** 3;

await runScript(async (args) => {
  await ensurePackages();
  const code = await underPinnedNode('start.mjs', args);
  if (code !== undefined) return code;
  const started = Date.now();
  const { resolveRoot } = await import('../src/cli/root.ts');
  const root = resolveRoot(process.env);
  requireRoom(root);
  const bundle = join(projectRoot, 'bundles', 'local.yaml');
  await withLock(
    join(root, 'start.lock'),
    () => bringUp(root, args[0] ?? bundle),
    (pid) => say('another start is at work', `waiting for process ${pid}`),
  );
  say(`\nready after ${elapsed(started)}`);
});

async function bringUp(root, bundlePath) {
  const { build } = await import('./lib/compile.mjs');
  const { built } = await build();
  for (const target of built) say(`built ${target.name}`, target.why);
  await refreshController(root);
  const { parse } = await import('yaml');
  const bundle = parse(readFileSync(bundlePath, 'utf8'));
  const { bringModel } = await import('./lib/model.mjs');
  const { summarize } = await import('./lib/summary.mjs');
  await bringModel(bundle, `./${relative(process.cwd(), bundlePath)}`);
  await summarize(root);
}

async function refreshController(root) {
  const { installRelease } = await import('../src/cli/release.ts');
  const { controllersOf, startController, stopController } = await import('./lib/controller.mjs');
  const { changed, hash } = await installRelease(root);
  if (changed && controllersOf(root).length > 0) {
    say('the clone is newer than the controller', 'restarting it; databases keep running');
    await stopController(root);
  } else if (changed) say(`installed the controller ${hash} in ${root}`);
  await startController(root);
}

function requireRoom(root) {
  const { bavail, bsize } = statfsSync(root);
  const free = bavail * bsize;
  if (free >= leastFreeBytes) return;
  const megabytes = Math.floor(free / 1024 ** 2);
  throw new Refusal(
    `cannot start: ${root} has ${megabytes} MiB of free space, and 2048 are needed`,
    'free some space, or set PGCHARM_DIR to a directory on a larger disk',
  );
}

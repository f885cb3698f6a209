/**
 * `npm stop`: stops the controller and every service of the installation, in order. Data stays;
 * `npm start` brings everything back.
 */
import { underPinnedNode } from './lib/node.mjs';
import { elapsed, Refusal, runScript, say } from './lib/terminal.mjs';

await runScript(async (args) => {
  const code = await underPinnedNode('stop.mjs', args);
  if (code !== undefined) return code;
  const { resolveRoot } = await import('../src/cli/root.ts');
  const { stopController } = await import('./lib/controller.mjs');
  const { forgetBoot, stopServices } = await import('./lib/services.mjs');
  const { processesOf } = await import('./lib/processes.mjs');
  const root = resolveRoot(process.env);
  const started = Date.now();
  // First, or it would start again what is stopped here.
  const ran = await stopController(root);
  if (ran) say('stopped the controller');
  const count = await stopServices(root);
  forgetBoot(root);
  const left = processesOf(root);
  if (left.length > 0) {
    const pids = left.map(({ pid }) => pid).join(' ');
    throw new Refusal(
      `cannot stop processes ${pids} of ${root}`,
      'end them as the user they run as',
    );
  }
  if (!ran && count === 0) say('nothing was running', root);
  else say(`stopped ${count} services in ${elapsed(started)}`, `data stays in ${root}`);
});

/**
 * Builds, then packs dist/pack/<name>_<arch>.charm with the pinned Node inside, for a Juju
 * controller whose machines have none. One file per charm and architecture that npm has installed.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, underPinnedNode } from './lib/node.mjs';
import { runScript, say } from './lib/terminal.mjs';

await runScript(async (names) => {
  const code = await underPinnedNode('pack.mjs', names);
  if (code !== undefined) return code;
  const { build } = await import('./lib/compile.mjs');
  const { packCharm } = await import('./lib/archive.mjs');
  const { targets } = await import('./lib/targets.mjs');
  await build({ names });
  const out = join(projectRoot, 'dist', 'pack');
  mkdirSync(out, { recursive: true });
  const charms = targets().filter((target) => target.charm);
  const chosen = charms.filter(({ name }) => names.length === 0 || names.includes(name));
  for (const arch of ['x64', 'arm64']) {
    const node = join(projectRoot, 'node_modules', `node-linux-${arch}`, 'bin', 'node');
    if (!existsSync(node)) {
      say(`not packing for ${arch}`, 'npm installs the pinned Node of this architecture only');
      continue;
    }
    for (const target of chosen) {
      const archive = join(out, `${target.name}_${arch}.charm`);
      await packCharm(join(projectRoot, 'dist', target.out), archive, { 'bin/node': node });
      say(`packed ${archive.slice(projectRoot.length + 1)}`, `with Node for ${arch}`);
    }
  }
});

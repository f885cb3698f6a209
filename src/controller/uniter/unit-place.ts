/**
 * A unit's directories, made before its agent runs and removed with the unit. Modes let the charm's
 * services, which may run as another user, pass but not list.
 */
import { chmod, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';
import { TOOL_NAMES } from '../tools/server.ts';

/** What needs no hook around it: called by the name of its own file. */
const PROGRAMS = ['juju-exec', 'is-powered-off'];

/** Makes what is missing; links in the tools directory always lead to this release's programs. */
export async function makePlace(layout: Layout, unit: string): Promise<void> {
  for (const dir of [layout.root, layout.agents, layout.tools, layout.agentDir(unit)]) {
    await mkdir(dir, { recursive: true, mode: 0o711 });
    await chmod(dir, 0o711);
  }
  await mkdir(layout.charmDir(unit), { recursive: true, mode: 0o755 });
  await mkdir(layout.resourcesDir(unit), { recursive: true, mode: 0o755 });
  const tools = layout.toolsDir(unit);
  await mkdir(tools, { recursive: true, mode: 0o755 });
  const wanted = new Map(TOOL_NAMES.map((name) => [name, join(layout.bin, 'hook-tool')]));
  for (const name of PROGRAMS) wanted.set(name, join(layout.bin, name));
  for (const name of await readdir(tools)) {
    const target = await readlink(join(tools, name)).catch(() => undefined);
    // What is right stays: services of the unit may be calling it.
    if (target !== undefined && wanted.get(name) === target) wanted.delete(name);
    else await rm(join(tools, name), { recursive: true });
  }
  for (const [name, target] of wanted) await symlink(target, join(tools, name));
}

export async function removePlace(layout: Layout, unit: string): Promise<void> {
  await rm(layout.toolsDir(unit), { recursive: true, force: true });
  await rm(layout.agentDir(unit), { recursive: true, force: true });
}

/** Directories that say which processes are the unit's: its own and its storage. */
export function unitDirs(store: Store, layout: Layout, unit: string): string[] {
  const storage = store.all<{ location: string }>(
    'SELECT location FROM storage WHERE unit = ?',
    unit,
  );
  return [layout.agentDir(unit), ...storage.map(({ location }) => location)];
}

/** Steps on the unit's machine: packages, directories, files and the agent's own copy. */
import { chmod, chown, cp, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcessesOn } from '../../../lib/machine/processes.ts';
import { writeAtomic } from '../../../lib/std/files.ts';
import { directoryWishes } from '../model/directories.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Families } from './tools.ts';

type MachineSteps =
  | 'install-packages'
  | 'create-directories'
  | 'write-file'
  | 'install-agent'
  | 'set-data-aside';

export const machineSteps: Families<MachineSteps> = {
  'install-packages': {
    lane: 'machine',
    priority: 10,
    async apply({ packages }) {
      const { installPackages } = await import('../../../lib/machine/packages.ts');
      await installPackages(packages);
      return undefined;
    },
  },
  'create-directories': {
    lane: 'machine',
    priority: 11,
    async apply({ paths }, { world }) {
      const wishes = directoryWishes(world().layout).filter(({ path }) => paths.includes(path));
      for (const { path, mode, owner } of wishes) {
        await mkdir(path, { recursive: true });
        await chmod(path, mode);
        const user = owner === 'servers' ? world().machine.serverUser : undefined;
        if (user !== undefined) await chown(path, user.uid, user.gid);
      }
      return undefined;
    },
  },
  'write-file': {
    lane: ({ path }) => `file ${path}`,
    priority: 30,
    async apply({ path, content, mode, owner }, { world }) {
      await writeAtomic(path, content.reveal(), { mode, ...ownerOf(world(), owner) });
      return undefined;
    },
  },
  'install-agent': {
    lane: 'agent',
    priority: 20,
    async apply({ revision }, { context, world }) {
      const { agent } = world().layout;
      const aside = join(agent, `.${revision}.new`);
      await rm(aside, { recursive: true, force: true });
      await mkdir(aside, { recursive: true });
      for (const part of ['src/agent', 'chunks', 'package.json']) {
        await cp(join(context.charmDir, part), join(aside, part), { recursive: true, force: true });
      }
      if (world().program.node.startsWith(`${agent}/`)) {
        // Another name of the same file: Juju replaces the charm's, ours stays as it is.
        await link(process.execPath, join(aside, 'node'));
      }
      await rename(aside, join(agent, revision));
      await removeOld(agent, revision);
      return undefined;
    },
  },
  'set-data-aside': {
    lane: 'patroni',
    // Before the supervisor starts a Patroni that would find it.
    priority: 38,
    destructive: true,
    async apply({ path }, { world }) {
      // What goes on writing there would write into what comes after.
      await endProcessesOn(path);
      // One of each is kept: enough to look at, not enough to fill a disk.
      for (const directory of [path, world().layout.wal]) {
        if (directory === undefined) continue;
        await rm(`${directory}.aside`, { recursive: true, force: true });
        await rename(directory, `${directory}.aside`).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
      }
      return undefined;
    },
  },
};

/** The revision before the newest may still run, and long work in it. */
async function removeOld(directory: string, newest: string): Promise<void> {
  const { stat } = await import('node:fs/promises');
  const names = (await readdir(directory)).filter((name) => name !== newest);
  const aged = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(directory, name))).mtimeMs })),
  );
  for (const { name } of aged.toSorted((a, b) => b.at - a.at).slice(1)) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
}

function ownerOf({ machine }: Snapshot, owner: 'servers' | 'charm') {
  const user = owner === 'servers' ? machine.serverUser : undefined;
  return user === undefined ? {} : { uid: user.uid, gid: user.gid };
}

/** Which directories a unit needs, whose they are and who may pass. Touches none of them. */
import type { Layout } from './layout.ts';

export interface DirectoryWish {
  path: string;
  mode: number;
  /** The servers write there, or only the charm and its agent. */
  owner: 'servers' | 'charm';
}

/**
 * Above data everything is 0711: user postgres must pass, and nobody needs to list it. A parent
 * stands before its children.
 */
export function directoryWishes(layout: Layout): DirectoryWish[] {
  const charm = (path: string, mode = 0o711): DirectoryWish => ({ path, mode, owner: 'charm' });
  const servers = (path: string): DirectoryWish => ({ path, mode: 0o700, owner: 'servers' });
  const storage = [
    layout.data === undefined ? [] : [servers(parentOf(layout.data))],
    layout.wal === undefined
      ? []
      : [servers(parentOf(parentOf(layout.wal))), servers(parentOf(layout.wal))],
    layout.temp === undefined ? [] : [servers(layout.temp)],
  ].flat();
  return [
    charm(layout.root),
    charm(layout.etc),
    charm(parentOf(layout.tls.ca)),
    charm(layout.log),
    charm(layout.service, 0o755),
    charm(layout.agent),
    charm(layout.bin, 0o755),
    charm(layout.traces, 0o700),
    servers(layout.run),
    servers(layout.etcdData),
    ...storage,
  ];
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

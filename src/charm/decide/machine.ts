/** What must be there before anything can run: packages, directories, the agent's own copy. */
import { directoryWishes } from '../model/directories.ts';
import { PGBACKREST } from '../model/pgbackrest-config.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, step, waiting } from '../model/steps.ts';
import { stanzaOf } from './backup.ts';
import { fileStep } from './file.ts';

export const packages: Decider = ({ machine }) => {
  const { missing, postgres } = machine.packages;
  if (missing.length === 0 && postgres !== undefined) return [];
  const names = missing.join(', ');
  if (!machine.root) {
    const hint = `run: sudo apt-get install ${missing.join(' ')}`;
    return [blocked('packages-missing', `packages are missing: ${names}; ${hint}`)];
  }
  return [step('install-packages', { packages: [...missing] }, `not installed: ${names}`)];
};

export const directories: Decider = (world) => {
  const owner = world.machine.serverUser;
  const lacking = directoryWishes(world.layout).filter(({ path, mode, owner: whose }) => {
    const found = world.directories[path];
    if (found === undefined || found.mode !== mode) return true;
    return whose === 'servers' && owner !== undefined && found.uid !== owner.uid;
  });
  if (lacking.length === 0) return [];
  const paths = lacking.map(({ path }) => path);
  return [step('create-directories', { paths }, `${paths.length} are missing or not passable`)];
};

export const storage: Decider = ({ storages }) => {
  const absent = ['data', 'logs'].filter((name) => storages[name] === undefined);
  if (absent.length === 0) return [];
  return [waiting('storage-missing', `waiting for storage ${absent.join(' and ')}`)];
};

export const agentCopy: Decider = ({ program }) => {
  const { agentRevision: revision, agentCopies } = program;
  if (agentCopies.includes(revision)) return [];
  return [step('install-agent', { revision }, 'the charm carries a revision without a copy here')];
};

/** Commands in a shell on the unit work without arguments: programs find the unit's own files. */
export const commands: Decider = (world) => {
  const { layout, machine, unit } = world;
  if (machine.packages.postgres === undefined || unit.address === undefined) return [];
  const shown = { owner: 'charm', mode: 0o755 } as const;
  const script = (name: string, lines: string[]) =>
    fileStep(
      world,
      { path: `${layout.bin}/${name}`, text: ['#!/bin/sh', ...lines, ''].join('\n'), ...shown },
      `${name} shall work without arguments`,
    );
  const { ca, cert, key } = layout.tls;
  const profile = [
    `export PATH=${layout.bin}:$PATH`,
    `export PGHOST=${layout.run} PGUSER=operator PGDATABASE=postgres`,
    '',
  ];
  return [
    ...script('psql', [
      `PGHOST=\${PGHOST:-${layout.run}} PGUSER=\${PGUSER:-operator} \\`,
      `PGDATABASE=\${PGDATABASE:-postgres} exec ${machine.packages.postgres.binDir}/psql "$@"`,
    ]),
    ...script('patronictl', [`exec /usr/bin/patronictl -c ${layout.patroniConfig} "$@"`]),
    ...script('pgbackrest', [
      `export PGBACKREST_CONFIG=${layout.pgbackrestConfig} PGBACKREST_STANZA=${stanzaOf(world)}`,
      // As root it would leave locks and logs that the servers' user cannot open.
      `exec ${machine.serverUser ? `chpst -u ${machine.serverUser.name} ` : ''}${PGBACKREST} "$@"`,
    ]),
    ...script('etcdctl', [
      `export ETCDCTL_API=3 ETCDCTL_CACERT=${ca} ETCDCTL_CERT=${cert} ETCDCTL_KEY=${key}`,
      `export ETCDCTL_ENDPOINTS=${endpointsOf(world)}`,
      'exec /usr/bin/etcdctl "$@"',
    ]),
    ...fileStep(
      world,
      { path: layout.profile, text: profile.join('\n'), owner: 'charm', mode: 0o644 },
      'a shell on the unit finds its commands',
    ),
  ];
};

function endpointsOf(world: Snapshot): string {
  return world.peers.app['etcd-endpoints'] ?? '';
}

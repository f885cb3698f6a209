/** What the machine offers: processors, memory, users, and the programs with their versions. */
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type { HookContext } from '../../../lib/contract/context.ts';
import { postgresMajors, programVersions } from '../../../lib/machine/packages.ts';
import { cpuCount, memoryBytes, systemUser } from '../../../lib/machine/resources.ts';
import { capabilitiesOf } from '../model/capabilities.ts';
import type { MachineFacts, Packages } from '../model/snapshot.ts';

/** Parent of the charm directory: what the charm may call its own. */
export function baseOf(context: HookContext): string {
  return dirname(context.charmDir);
}

/** Debian's package for each program, and where it puts it. */
const PROGRAMS = {
  patroni: { path: '/usr/bin/patroni', version: ['--version'], package: 'patroni' },
  etcd: { path: '/usr/bin/etcd', version: ['--version'], package: 'etcd-server' },
  etcdctl: { path: '/usr/bin/etcdctl', version: ['version'], package: 'etcd-client' },
  pgbouncer: { path: '/usr/sbin/pgbouncer', version: ['--version'], package: 'pgbouncer' },
  pgbackrest: { path: '/usr/bin/pgbackrest', version: ['version'], package: 'pgbackrest' },
  exporter: {
    path: '/usr/bin/prometheus-postgres-exporter',
    version: [],
    package: 'prometheus-postgres-exporter',
  },
  runsvdir: { path: '/usr/bin/runsvdir', version: [], package: 'runit' },
} as const;

export async function observeMachine(base: string): Promise<MachineFacts> {
  const user = userInfo();
  const root = user.uid === 0;
  const packages = await observePackages(base);
  return {
    cpus: cpuCount(),
    memoryBytes: memoryBytes(),
    root,
    userName: user.username,
    serverUser: root ? systemUser('postgres') : undefined,
    packages,
    capabilities: capabilitiesOf(packages.versions),
  };
}

async function observePackages(base: string): Promise<Packages> {
  const majors = postgresMajors();
  const major = majors.at(-1);
  const binDir = `/usr/lib/postgresql/${major}/bin`;
  const programs = {
    ...PROGRAMS,
    ...(major === undefined
      ? {}
      : { postgres: { path: `${binDir}/postgres`, version: ['--version'] } }),
  };
  const versions = await programVersions(programs, `${base}/pg/versions.json`);
  const missing = Object.entries(PROGRAMS)
    .filter(([name]) => versions[name] === undefined)
    .map(([, program]) => program.package);
  const version = versions['postgres'];
  return {
    missing: major === undefined ? ['postgresql', ...missing] : missing,
    postgres: major === undefined || version === undefined ? undefined : { major, version, binDir },
    versions,
  };
}

/** The machine of units in memory: Debian 12 with all packages, and nothing that options name. */
import { capabilitiesOf } from '../../src/charm/model/capabilities.ts';
import { limitsOf, readOptions } from '../../src/charm/model/option-rules.ts';
import type { ParsedOptions } from '../../src/charm/model/options.ts';
import type { ConfigValues, Snapshot } from '../../src/charm/model/snapshot.ts';

const VERSIONS = { patroni: '3.0.2', etcd: '3.4.23', pgbouncer: '1.18.0', pgbackrest: '2.45' };

export const MACHINE: Snapshot['machine'] = {
  cpus: 2,
  memoryBytes: 4 * 1024 ** 3,
  root: true,
  userName: 'root',
  serverUser: { name: 'postgres', uid: 101, gid: 104 },
  packages: {
    missing: [],
    postgres: { major: 15, version: '15.18', binDir: '/usr/lib/postgresql/15/bin' },
    versions: VERSIONS,
  },
  capabilities: capabilitiesOf(VERSIONS),
};

export const NAMED: Snapshot['named'] = {
  'time-zone': [],
  locale: [],
  library: ['pg_stat_statements'],
  extension: [],
  archive: {},
};

/** Options as a unit of MACHINE reads them. */
export function optionsOf(config: ConfigValues, named = NAMED): ParsedOptions {
  return readOptions(config, limitsOf(MACHINE, named));
}

/** An event that ends nothing. */
export const EVENT: Snapshot['event'] = {
  name: 'config-changed',
  endingRelation: undefined,
  departingUnit: undefined,
  detachingStorage: undefined,
  obsoleteSecret: undefined,
  stopping: false,
};

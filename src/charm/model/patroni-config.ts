/**
 * Patroni's configuration, as values: what every member shares (`dynamic`, kept in etcd) and what
 * is this unit's own (`patroniConfig`, a file).
 *
 * The first start of a cluster uses both in full, so nothing waits for a restart afterwards.
 */

import { clientFiles, restFiles } from './certificates.ts';
import { trustInForce } from './client-certificates.ts';
import { render } from './etcd-config.ts';
import { inUrl } from './etcd-facts.ts';
import { clocksOf } from './failover.ts';
import { hbaLines, identLines } from './hba.ts';
import { confirmingReplicas, NO_TAGS, tagsInForce } from './member-tags.ts';
import type { Tree } from './merge.ts';
import { type Options, synchronousNodes } from './options.ts';
import { sizesOf } from './parameters.ts';
import type { Snapshot } from './snapshot.ts';

export const PORTS = {
  postgres: 5432,
  pooler: 6432,
  patroni: 8008,
  agent: 8009,
  metrics: 9188,
  backupMetrics: 9854,
} as const;

export interface PatroniInput {
  options: Options;
  /** Client URLs of etcd's voters, and where one may come to be. */
  etcdEndpoints: readonly string[];
  /** The clients' lines of pg_hba.conf. */
  clientHba: readonly string[];
  /** Where the application's units come from. */
  peerNetworks: readonly string[];
  /** This unit creates the database: the settings that all members will share. */
  founds: boolean;
  /** What archives a WAL file; undefined: nothing does. */
  archiveCommand: string | undefined;
  /** Libraries that PostgreSQL loads when it starts. */
  preload: readonly string[];
}

/** What Patroni keeps in etcd for all members, in full. */
export function dynamicConfig(world: Snapshot, options: Options): Record<string, unknown> {
  const planned = world.peers.planned.length;
  const synchronous = Math.min(
    synchronousNodes(options, planned),
    confirmingReplicas(options.memberTags, world.peers.planned),
  );
  return {
    ...clocksOf(options.failoverProfile, world.machine.capabilities),
    maximum_lag_on_failover: options.maximumLagOnFailover,
    max_timelines_history: 50,
    failsafe_mode: true,
    synchronous_mode: true,
    // Two units are for going on when one is lost: only with a second replica to take over the
    // confirming do writes wait for one.
    synchronous_mode_strict: options.synchronousModeStrict && synchronous > 0 && strictFits(world),
    synchronous_node_count: Math.max(synchronous, 1),
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: {
        ...FIXED_PARAMETERS,
        ...sizesOf(world.machine, options).cluster,
      },
    },
  };
}

/** Strict before a replica has joined would stop the first primary's own set-up. */
function strictFits(world: Snapshot): boolean {
  const cluster = world.agent.known ? world.agent.value.cluster : world.agent;
  return world.peers.planned.length > 2 && cluster.known && cluster.value.members.length > 1;
}

/**
 * Equal in every cluster this charm makes; what is expensive to change later has its final value.
 */
const FIXED_PARAMETERS: Readonly<Record<string, string | number>> = {
  wal_level: 'logical',
  wal_log_hints: 'on',
  hot_standby: 'on',
  // A standby that was refused for a moment, as while passwords or the primary change, comes back
  // soon: commits may wait for it.
  wal_retrieve_retry_interval: '500ms',
  archive_mode: 'on',
  log_timezone: 'UTC',
  lc_messages: 'C.UTF-8',
  // Standard error goes through Patroni to a bounded log.
  logging_collector: 'off',
  log_destination: 'stderr',
  log_line_prefix: '%m [%p] user=%u,db=%d,app=%a,client=%h ',
  log_checkpoints: 'on',
  log_recovery_conflict_waits: 'on',
  log_replication_commands: 'on',
};

/** The text of patroni.yaml, or undefined while something it needs is not there yet. */
export function patroniConfig(world: Snapshot, input: PatroniInput): string | undefined {
  const { layout, unit, machine } = world;
  const secret = world.appSecret?.content;
  const { postgres } = machine.packages;
  if (secret === undefined || unit.address === undefined) return undefined;
  if (layout.data === undefined || layout.wal === undefined || postgres === undefined) {
    return undefined;
  }
  const at = (port: number): string => `${inUrl(unit.address ?? '')}:${port}`;
  const { tls } = layout;
  const rest = restFiles(world);
  const login = (username: string) => ({ username, password: secret[`${username}-password`] });
  return render({
    scope: world.app,
    namespace: '/db/',
    name: unit.member,
    log: { level: 'INFO', format: '%(levelname)s: %(message)s' },
    restapi: {
      listen: at(PORTS.patroni),
      connect_address: at(PORTS.patroni),
      certfile: rest.cert,
      keyfile: rest.key,
      cafile: rest.ca,
      verify_client: 'none',
      authentication: login('patroni'),
    },
    ctl: { cacert: rest.ca, certfile: tls.cert, keyfile: tls.key },
    etcd3: {
      hosts: input.etcdEndpoints.map((url) => url.replace('https://', '')),
      protocol: 'https',
      cacert: tls.ca,
      cert: tls.cert,
      key: tls.key,
    },
    ...(input.founds ? { bootstrap: bootstrap(world, input.options, layout.wal) } : {}),
    ...tagsOf(world, input),
    postgresql: {
      ...delayOf(world, input.options),
      listen: `${unique([unit.address, unit.clientAddress]).join(',')}:${PORTS.postgres}`,
      connect_address: at(PORTS.postgres),
      data_dir: layout.data,
      bin_dir: postgres.binDir,
      pgpass: `${layout.run}/pgpass`,
      use_unix_socket: true,
      basebackup: [{ waldir: layout.wal }, { checkpoint: 'fast' }],
      // A member that cannot be rewound clones again by itself instead of waiting for a person.
      remove_data_directory_on_rewind_failure: true,
      remove_data_directory_on_diverged_timelines: true,
      authentication: {
        superuser: login('operator'),
        replication: login('replication'),
        rewind: login('rewind'),
      },
      parameters: {
        ...localParameters(world, input),
        unix_socket_directories: layout.run,
        ...tlsParameters(world),
        archive_command: input.archiveCommand ?? '/bin/true',
      },
      pg_hba: hbaLines(hbaInput(world, input)),
      pg_ident: identLines(hbaInput(world, input).osUsers),
    },
  });
}

/** Patroni makes no database on a member that may not lead: it is told with the next event. */
function tagsOf({ unit, peers }: Snapshot, { founds, options }: PatroniInput): Tree {
  const tags = tagsInForce(options.memberTags, unit.name, peers.planned);
  return founds || Object.keys(tags).length === 0 ? {} : { tags: { ...tags } };
}

/** Of a standby: Patroni writes what stands here only there, and reloads when it changes. */
function delayOf({ unit }: Snapshot, options: Options): Tree {
  const { delaySeconds } = options.memberTags[unit.name] ?? NO_TAGS;
  if (delaySeconds === undefined) return {};
  return { recovery_conf: { recovery_min_apply_delay: `${delaySeconds}s` } };
}

/** A first primary that only reads could not set itself up: it gets these with the next event. */
const NOT_TO_FOUND_WITH = ['default_transaction_read_only'];

function localParameters({ machine }: Snapshot, input: PatroniInput): Tree {
  const { local } = sizesOf(machine, input.options);
  const given = Object.entries(local).filter(
    ([name]) => !input.founds || !NOT_TO_FOUND_WITH.includes(name),
  );
  return {
    ...Object.fromEntries(given),
    shared_preload_libraries: input.preload.join(','),
    ...(input.preload.includes('pgaudit') ? AUDIT : {}),
    ...(input.preload.includes('set_user') ? SET_USER : {}),
  };
}

/** What is audited, on every member: the reference's choice. */
const AUDIT = {
  'pgaudit.log': 'ROLE,DDL,MISC,MISC_SET',
  'pgaudit.log_client': 'off',
  'pgaudit.log_parameter': 'off',
};

/** Who may become a superuser by set_user_u(); the extension's own answer is everybody. */
const SET_USER = { 'set_user.superuser_allowlist': '+charmed_dba' };

/** How the first database is made. */
export function initdbOptions(waldir: string): (string | Record<string, string>)[] {
  return [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums', { waldir }];
}

/** Without this section Patroni never makes a database, whatever etcd has lost. */
function bootstrap(world: Snapshot, options: Options, waldir: string) {
  return { dcs: dynamicConfig(world, options), initdb: initdbOptions(waldir) };
}

/** PostgreSQL reads these again when it reloads. */
function tlsParameters(world: Snapshot): Record<string, string> {
  const files = clientFiles(world);
  if (files === undefined) return { ssl: 'off' };
  const trust = trustInForce(world);
  return {
    ssl: 'on',
    ssl_cert_file: files.cert,
    ssl_key_file: files.key,
    ...(trust === undefined ? {} : { ssl_ca_file: trust.path }),
  };
}

/** Client URLs of etcd in the text of a patroni.yaml. */
export function etcdHostsOf(text: string): string[] {
  const { etcd3 } = JSON.parse(text) as { etcd3: { hosts: string[] } };
  return etcd3.hosts.map((host) => `https://${host}`);
}

function hbaInput(world: Snapshot, { clientHba, peerNetworks }: PatroniInput) {
  const server = world.machine.serverUser?.name ?? world.machine.userName;
  const osUsers = world.machine.root ? ['root', server] : [server];
  const tls = clientFiles(world) !== undefined;
  return { osUsers, peerNetworks, clients: clientHba, tls };
}

function unique(addresses: readonly (string | undefined)[]): string[] {
  const known = addresses.filter((address) => address !== undefined);
  return [...new Set(known)];
}

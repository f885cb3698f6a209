/**
 * PostgreSQL's and PgBouncer's sizes, computed from processors and memory by profile. Pure numbers:
 * reads no machine, writes no file. Sizes are binary; a parameter is given in the unit it has.
 *
 * What must be equal on every member stands in `cluster` and goes through Patroni's dynamic
 * configuration; what follows the unit's own machine stands in `local`.
 */
import { type Options, usableMemory } from './options.ts';
import { PARAMETER_OPTIONS, parameterOf } from './parameter-options.ts';

export interface Machine {
  cpus: number;
  /** What the machine, or its cgroup, gives: bytes. */
  memoryBytes: number;
}

export interface Sizes {
  /** Equal on every member: PostgreSQL refuses a standby with less than its primary has. */
  cluster: Readonly<Record<string, number | string>>;
  /** This unit's own; a value with a unit is text. */
  local: Readonly<Record<string, number | string>>;
  pooler: { maxClientConnections: number; poolSize: number };
}

const KIB = 1024;
/** PostgreSQL counts buffers in blocks. */
const BLOCK_BYTES = 8192;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Slots and senders are fixed for good: room for replicas, backups and logical consumers. */
const SLOTS = 25;
/** Superuser sessions: agent, Patroni and an operator must get in when clients have taken all. */
const RESERVED = 10;

/** Parameters that Patroni takes from the shared configuration only. */
const SHARED: ReadonlySet<string> = new Set(
  Object.entries(PARAMETER_OPTIONS)
    .filter(([, entry]) => entry.shared)
    .map(([option, entry]) => parameterOf(option, entry)),
);

export function sizesOf(machine: Machine, options: Options): Sizes {
  const cpus = Math.max(1, Math.floor(machine.cpus));
  const memory = usableMemory(machine.memoryBytes, options);
  const maxConnections = options.maxConnections ?? Math.max(4 * cpus, 100);
  const workers = Number(options.parameters['max_worker_processes'] ?? Math.min(8, 2 * cpus));
  const set = Object.entries(options.parameters);
  return {
    cluster: {
      max_connections: maxConnections,
      superuser_reserved_connections: RESERVED,
      max_worker_processes: workers,
      max_wal_senders: SLOTS,
      max_replication_slots: SLOTS,
      ...Object.fromEntries(set.filter(([name]) => SHARED.has(name))),
    },
    local: {
      ...(options.profile === 'testing' ? testing(workers) : production(cpus, memory, workers)),
      // What the operator set stands above every profile.
      ...Object.fromEntries(set.filter(([name]) => !SHARED.has(name))),
    },
    pooler: poolerSizes(cpus, maxConnections),
  };
}

/** A machine of its own: a quarter for shared buffers, the rest is the kernel's cache. */
function production(
  cpus: number,
  memory: number,
  workers: number,
): Record<string, number | string> {
  // Beyond 32 GiB the buffer mapping costs more than the kernel's cache would.
  const sharedBuffers = within(memory / 4, 32 * MIB, 32 * GIB);
  return {
    shared_buffers: blocks(sharedBuffers),
    effective_cache_size: blocks(Math.max(memory - sharedBuffers, sharedBuffers)),
    // Up to three autovacuum workers and an index build hold this at once.
    maintenance_work_mem: kib(within(memory / 16, 64 * MIB, 2 * GIB)),
    work_mem: kib(4 * MIB),
    temp_buffers: blocks(8 * MIB),
    wal_buffers: blocks(within(sharedBuffers / 32, 1 * MIB, 16 * MIB)),
    min_wal_size: mib(within(memory / 16, 256 * MIB, 2 * GIB)),
    max_wal_size: mib(within(memory / 4, 1 * GIB, 16 * GIB)),
    max_parallel_workers: workers,
    max_parallel_workers_per_gather: within(Math.floor(cpus / 2), 1, Math.min(4, workers)),
    max_parallel_maintenance_workers: within(Math.floor(cpus / 2), 1, Math.min(4, workers)),
  };
}

/** Three units beside everything else on one small machine. */
function testing(workers: number): Record<string, number | string> {
  return {
    shared_buffers: blocks(32 * MIB),
    effective_cache_size: blocks(128 * MIB),
    maintenance_work_mem: kib(16 * MIB),
    work_mem: kib(4 * MIB),
    temp_buffers: blocks(8 * MIB),
    wal_buffers: blocks(1 * MIB),
    min_wal_size: mib(80 * MIB),
    max_wal_size: mib(256 * MIB),
    max_parallel_workers: Math.min(4, workers),
    max_parallel_workers_per_gather: 1,
    max_parallel_maintenance_workers: 1,
  };
}

/**
 * A pool is per user and database, so one of them never takes more than half of what PostgreSQL
 * serves; many clients wait in the pooler at the price of a few kilobytes each.
 */
function poolerSizes(cpus: number, maxConnections: number): Sizes['pooler'] {
  const free = Math.max(maxConnections - RESERVED, 2);
  return {
    maxClientConnections: Math.max(1000, 10 * maxConnections),
    poolSize: within(Math.max(20, 4 * cpus), 1, Math.max(1, Math.floor(free / 2))),
  };
}

function within(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
/** PostgreSQL's own block suffix would depend on how it was built; kilobytes never do. */
function blocks(bytes: number): string {
  return `${Math.floor(bytes / BLOCK_BYTES) * (BLOCK_BYTES / KIB)}kB`;
}
function kib(bytes: number): string {
  return `${Math.floor(bytes / KIB)}kB`;
}
function mib(bytes: number): string {
  return `${Math.floor(bytes / MIB)}MB`;
}

/**
 * What a query costs through a unit's pooler, beside a PgBouncer started by hand before the same
 * server, and beside direct connections, persistent and one for each query. pgbench, 16 clients on
 * one processor, the kinds taking turns; medians.
 */
import { execFile, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FaultWorld } from '../tests/support/fault-world.ts';
import { type Benchmark, judge, type Measurement, median } from './measure.ts';

const ROUNDS = 5;
const SECONDS = 5;
const CLIENTS = 16;
const HAND_PORT = 6499;

type Kind = 'unit' | 'hand' | 'direct' | 'unit-connect' | 'direct-connect';
const KINDS: readonly Kind[] = ['unit', 'hand', 'direct', 'unit-connect', 'direct-connect'];

export const pooler: Benchmark = {
  ids: ['pooler'],
  async run(_ids, say) {
    say('pooler: deploying one unit');
    const world = await FaultWorld.start({ units: 1 });
    world.writers.abandon();
    const byHand = await startByHand(world);
    try {
      const times = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
      for (let round = 1; round <= ROUNDS; round++) {
        for (const kind of KINDS) times.get(kind)?.push(await queryMicros(world, kind));
        say(`pooler: round ${round} of ${ROUNDS}`);
      }
      return compare((kind) => median(times.get(kind) ?? []));
    } finally {
      byHand.stop();
      await world.end();
    }
  },
};

function compare(micros: (kind: Kind) => number): Measurement[] {
  const shared = { id: 'pooler', unit: 'µs', targetOf: 'ratio' } as const;
  return [
    judge({
      ...shared,
      what: 'a query through the unit’s pooler, 16 clients',
      value: micros('unit'),
      floor: micros('hand'),
      floorOf: 'PgBouncer by hand',
      // Of its throughput at least 0.95.
      target: 1 / 0.95,
    }),
    judge({
      ...shared,
      what: 'the same, beside persistent direct connections',
      value: micros('unit'),
      floor: micros('direct'),
      floorOf: 'direct',
      // It is one process, and one more hop for each query.
      target: 3,
    }),
    judge({
      ...shared,
      what: 'a connection and a query through the pooler',
      value: micros('unit-connect'),
      floor: micros('direct-connect'),
      floorOf: 'direct',
      target: 1,
    }),
  ];
}

/** Time for one query of all clients together: the inverse of the throughput. */
async function queryMicros(world: FaultWorld, kind: Kind): Promise<number> {
  const uri = new URL(world.uris[0] ?? '');
  if (kind.startsWith('direct')) uri.port = '5432';
  if (kind === 'hand') uri.port = String(HAND_PORT);
  const dir = mkdtempSync(join(tmpdir(), 'pgc-bench-'));
  try {
    const script = join(dir, 'query.sql');
    writeFileSync(script, 'SELECT 1;\n');
    const password = decodeURIComponent(uri.password);
    uri.password = '';
    const args = ['-n', '-c', String(CLIENTS), '-T', String(SECONDS), '-f', script];
    if (kind.endsWith('-connect')) args.push('-C');
    const env = { ...process.env, PGPASSWORD: password };
    const { stdout } = await promisify(execFile)('pgbench', [...args, uri.href], { env });
    const rate = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (!(rate > 0)) throw new Error(`pgbench printed no rate: ${stdout}`);
    return 1e6 / rate;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The least that serves the same clients: the same users, the same size and mode of its pools. */
async function startByHand(world: FaultWorld): Promise<{ stop(): void }> {
  const etc = join(world.model.root, 'agents', 'unit-postgresql-0', 'pg', 'etc');
  const ini = readFileSync(join(etc, 'pgbouncer.ini'), 'utf8');
  const setting = (name: string) => new RegExp(`^${name} = (.*)$`, 'm').exec(ini)?.[1] ?? '';
  const dir = mkdtempSync(join(tmpdir(), 'pgc-bench-'));
  const { uid, gid } = statSync(join(etc, 'userlist.txt'));
  const path = join(dir, 'pgbouncer.ini');
  const kept = ['listen_addr', 'pool_mode', 'max_client_conn', 'default_pool_size'];
  const lines = [
    '[databases]',
    /^\* = .*$/m.exec(ini)?.[0] ?? '',
    '[pgbouncer]',
    ...kept.map((name) => `${name} = ${setting(name)}`),
    `listen_port = ${HAND_PORT}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${join(etc, 'userlist.txt')}`,
    '',
  ];
  writeFileSync(path, lines.join('\n'));
  for (const each of [dir, path]) chownSync(each, uid, gid);
  const child = spawn('pgbouncer', ['-q', path], { uid, gid, cwd: dir, stdio: 'ignore' });
  await delay(1000);
  if (child.exitCode !== null) throw new Error('PgBouncer by hand does not run');
  return {
    stop() {
      child.kill('SIGKILL');
      rmSync(dir, { recursive: true });
    },
  };
}

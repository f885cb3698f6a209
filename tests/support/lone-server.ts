/**
 * One real PostgreSQL without Patroni, laid out as the charm does (data, WAL on a storage of its
 * own, a run directory), with an object store and the wish that a job reads. Ends all it started.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { poll } from '../../lib/std/clock.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import { archiveCommand, pgbackrestConfig } from '../../src/charm/model/pgbackrest-config.ts';
import type { SqlPort } from '../../src/charm/workload/ports.ts';
import { connectSql } from '../../src/charm/workload/sql.ts';
import { serverUser } from './database-cluster.ts';
import { startStore, type TestStore } from './object-store.ts';

const run = promisify(execFile);
export const BIN = '/usr/lib/postgresql/15/bin';
export const STANZA = 'model.postgresql';

export interface LoneServer {
  dir: string;
  store: TestStore;
  desired: Desired;
  start(): Promise<void>;
  stop(): Promise<void>;
  sql<Row = Record<string, unknown>>(text: string): Promise<Row[]>;
  archive(): Promise<void>;
  writeWish(change?: Partial<Desired>): Promise<void>;
  close(): Promise<void>;
}

export async function startLoneServer(): Promise<LoneServer> {
  const store = await startStore();
  const dir = await mkdtemp(join(tmpdir(), 'lone-'));
  await chmod(dir, 0o711);
  const places = {
    data: join(dir, 'data', '15', 'main'),
    wal: join(dir, 'wal', '15', 'main', 'pg_wal'),
    run: join(dir, 'run'),
    etc: join(dir, 'etc'),
  };
  for (const path of [
    join(dir, 'data', '15'),
    join(dir, 'wal', '15', 'main'),
    places.run,
    places.etc,
  ]) {
    await mkdir(path, { recursive: true });
    await run('chown', ['-R', `${serverUser.uid}:${serverUser.gid}`, path]);
  }
  const ca = join(places.etc, 's3-ca.pem');
  await copyFile(store.caFile, ca);
  const desired = wish(dir, places, store, ca);
  await asServer(`${BIN}/initdb`, [
    ...['-D', places.data, '-X', places.wal, '-U', 'operator', '--auth=trust', '-k', '-N'],
  ]);
  let child: ChildProcess | undefined;
  let archiving = false;
  const connect = (): Promise<SqlPort> =>
    connectSql({ host: places.run, port: 5432, user: 'operator', database: 'postgres' });
  const server: LoneServer = {
    dir,
    store,
    desired,
    async start() {
      const command = archiving
        ? archiveCommand('/usr/bin/pgbackrest', join(places.etc, 'pgbackrest.conf'), STANZA)
        : '/bin/true';
      const settings = [
        ...['listen_addresses=', `unix_socket_directories=${places.run}`, 'wal_level=logical'],
        ...['archive_mode=on', `archive_command=${command}`, 'fsync=off'],
      ];
      child = spawn(
        `${BIN}/postgres`,
        ['-D', places.data, ...settings.flatMap((setting) => ['-c', setting])],
        { stdio: 'ignore', uid: serverUser.uid, gid: serverUser.gid },
      );
      const answers = () =>
        connect().then(
          async (sql) => {
            await sql.close();
            return true;
          },
          () => undefined,
        );
      if ((await poll(answers, { timeoutMs: 20_000 })) === undefined) {
        throw new Error('PostgreSQL did not start');
      }
    },
    async stop() {
      if (child === undefined || child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    },
    async sql<Row>(text: string) {
      const sql = await connect();
      return sql.query<Row>(text).finally(() => sql.close());
    },
    async archive() {
      archiving = true;
      await server.stop();
      await server.start();
    },
    async writeWish(change = {}) {
      Object.assign(desired, change);
      await writeFile(join(dir, 'desired.json'), JSON.stringify(desired), { mode: 0o600 });
      const s3 = desired.backup?.s3;
      if (s3 === undefined) return;
      const config = pgbackrestConfig({
        stanza: STANZA,
        s3: { ...s3, deleteOlderThanDays: undefined, tlsCaChain: [] },
        caFile: ca,
        cpus: 2,
        blockIncrement: false,
        lock: join(places.run, 'pgbackrest', 'lock'),
        spool: join(places.run, 'pgbackrest', 'spool'),
        log: join(places.run, 'pgbackrest', 'log'),
        own: { address: '127.0.0.1', data: places.data, socket: places.run },
        tls: desired.paths.tls,
        port: 8432,
        others: [],
      });
      const file = join(places.etc, 'pgbackrest.conf');
      await writeFile(file, config, { mode: 0o600 });
      await chown(file, serverUser.uid, serverUser.gid);
    },
    async close() {
      await server.stop();
      await store.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  await server.writeWish();
  await server.start();
  return server;
}

async function asServer(file: string, args: string[]): Promise<void> {
  await run(file, args, { uid: serverUser.uid, gid: serverUser.gid, cwd: '/' });
}

function wish(
  dir: string,
  places: { data: string; run: string; etc: string },
  store: TestStore,
  caFile: string,
): Desired {
  const unit = 'postgresql/0';
  return {
    version: 1,
    generation: 1,
    unit: {
      name: unit,
      member: 'postgresql-0',
      app: 'postgresql',
      address: '127.0.0.1',
      model: 'model',
      modelUuid: '11111111-2222-4333-8444-555555555555',
    },
    members: [{ unit, member: 'postgresql-0', address: '127.0.0.1' }],
    paths: {
      base: dir,
      etc: places.etc,
      run: places.run,
      log: join(dir, 'log'),
      tls: { ca: '/none/ca.pem', cert: '/none/cert.pem', key: '/none/key.pem' },
      dataDir: places.data,
      service: join(dir, 'service'),
    },
    serverUser,
    etcd: { endpoints: [] },
    patroni: { scope: 'postgresql', namespace: '/db/', port: 8008, username: '', password: '' },
    postgres: {
      port: 5432,
      major: 15,
      binDir: BIN,
      superuser: 'operator',
      password: 'operator-password',
      replicationUser: 'replication',
    },
    pooler: {
      port: 6432,
      mode: 'session',
      maxClientConnections: 100,
      poolSize: 10,
      maxPreparedStatements: 0,
      access: [],
    },
    metrics: { port: 9188 },
    wake: { command: ['/bin/true'] },
    backup: {
      stanza: STANZA,
      config: join(places.etc, 'pgbackrest.conf'),
      s3: {
        endpoint: store.url,
        region: 'us-east-1',
        bucket: 'backups',
        path: '/postgresql',
        accessKey: store.accessKey,
        secretKey: store.secretKey,
        uriStyle: 'path',
        caFile,
      },
    },
  };
}

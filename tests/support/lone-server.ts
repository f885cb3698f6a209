/**
 * One real PostgreSQL without Patroni, laid out as the charm does (data, WAL on a storage of its
 * own, a run directory), with an object store and the wish that a job reads. Ends all it started.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { appendFile, chmod, chown, copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { poll } from '../../lib/std/clock.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import { archiveCommand, pgbackrestConfig } from '../../src/charm/model/pgbackrest-config.ts';
import { connectSql } from '../../src/charm/workload/sql.ts';
import { serverUser } from './database-cluster.ts';
import { startStore, type TestStore } from './object-store.ts';
import { removeInstallation } from './processes.ts';

const run = promisify(execFile);
const MAJOR = Math.max(...readdirSync('/usr/lib/postgresql').map(Number));
export const BIN = `/usr/lib/postgresql/${MAJOR}/bin`;
export const STANZA = 'model.postgresql';

interface Places {
  data: string;
  wal: string;
  run: string;
  etc: string;
}

export class LoneServer {
  readonly dir: string;
  readonly store: TestStore;
  readonly desired: Desired;
  readonly #places: Places;
  #child: ChildProcess | undefined;
  #archiving = false;

  constructor(dir: string, store: TestStore, places: Places) {
    this.dir = dir;
    this.store = store;
    this.#places = places;
    this.desired = wish(dir, places, store, join(places.etc, 's3-ca.pem'));
  }

  async start(): Promise<void> {
    const { run: socket, etc, data } = this.#places;
    const command = this.#archiving
      ? archiveCommand('/usr/bin/pgbackrest', join(etc, 'pgbackrest.conf'), STANZA)
      : '/bin/true';
    const settings = [
      ...['listen_addresses=', `unix_socket_directories=${socket}`, 'wal_level=logical'],
      ...['archive_mode=on', `archive_command=${command}`, 'fsync=off', 'ssl=off'],
    ];
    this.#child = spawn(
      `${BIN}/postgres`,
      ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      { stdio: 'ignore', uid: serverUser.uid, gid: serverUser.gid },
    );
    const answers = () =>
      this.sql('SELECT 1').then(
        () => true,
        () => undefined,
      );
    if ((await poll(answers, { timeoutMs: 120_000 })) === undefined) {
      throw new Error('PostgreSQL did not start');
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await ended;
  }

  async sql<Row = Record<string, unknown>>(text: string): Promise<Row[]> {
    const host = this.#places.run;
    const sql = await connectSql({ host, port: 5432, user: 'operator', database: 'postgres' });
    return sql.query<Row>(text).finally(() => sql.close());
  }

  /** From now on WAL goes to the repository. */
  async archive(): Promise<void> {
    this.#archiving = true;
    await this.stop();
    await this.start();
  }

  /** Writes desired.json and pgbackrest.conf. */
  async writeWish(change: Partial<Desired> = {}): Promise<void> {
    Object.assign(this.desired, change);
    const file = join(this.dir, 'desired.json');
    await writeFile(file, JSON.stringify(this.desired), { mode: 0o600 });
    const { run: socket, etc, data } = this.#places;
    const s3 = this.desired.backup?.s3;
    if (s3 === undefined) return;
    const own = join(socket, 'pgbackrest');
    const config = pgbackrestConfig({
      stanza: STANZA,
      s3: { ...s3, deleteOlderThanDays: undefined, tlsCaChain: [] },
      caFile: join(etc, 's3-ca.pem'),
      processes: 2,
      blockIncrement: false,
      ...{ lock: join(own, 'lock'), spool: join(own, 'spool'), log: join(own, 'log') },
      own: { address: '127.0.0.1', data, socket },
      tls: this.desired.paths.tls,
      port: 8432,
      others: [],
    });
    const path = join(etc, 'pgbackrest.conf');
    await writeFile(path, config, { mode: 0o600 });
    await chown(path, serverUser.uid, serverUser.gid);
  }

  async close(): Promise<void> {
    await this.stop();
    await this.store.stop();
    // What archives for it may outlive it for a moment.
    await removeInstallation(this.dir);
  }
}

export async function startLoneServer(): Promise<LoneServer> {
  const store = await startStore();
  const dir = await mkdtemp(join(tmpdir(), 'lone-'));
  await chmod(dir, 0o711);
  const places: Places = {
    data: join(dir, 'data', `${MAJOR}`, 'main'),
    wal: join(dir, 'wal', `${MAJOR}`, 'main', 'pg_wal'),
    run: join(dir, 'run'),
    etc: join(dir, 'etc'),
  };
  const parents = [join(dir, 'data', `${MAJOR}`), join(dir, 'wal', `${MAJOR}`, 'main')];
  for (const path of [...parents, places.run, places.etc]) {
    await mkdir(path, { recursive: true });
    await run('chown', ['-R', `${serverUser.uid}:${serverUser.gid}`, path]);
  }
  await copyFile(store.caFile, join(places.etc, 's3-ca.pem'));
  await asServer(`${BIN}/initdb`, [
    ...['-D', places.data, '-X', places.wal, '-U', 'operator', '--auth=trust', '-k', '-N'],
  ]);
  // As in a backup of a cluster with TLS, whose certificate is another by now.
  const settings = "\nssl = on\nssl_cert_file = '/gone/cert.pem'\n";
  await appendFile(join(places.data, 'postgresql.conf'), settings);
  const server = new LoneServer(dir, store, places);
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
      major: MAJOR,
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
      failoverWait: { seconds: 30 },
      readerLagBytes: 64 * 1024 * 1024,
      access: [],
    },
    metrics: { port: 9188, backupPort: 9854 },
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

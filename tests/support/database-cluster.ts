/**
 * A real cluster for process tests: etcd, Patroni + PostgreSQL and PgBouncer on loopback addresses
 * of their own, with an internal CA, started without the charm. Ends every process it started.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Desired, Member } from '../../src/charm/model/desired.ts';
import { agentClient } from '../../src/charm/workload/agent.ts';
import type { AgentPort } from '../../src/charm/workload/ports.ts';
import { removeInstallation } from './processes.ts';

const PASSWORD = 'operator-test-password';

/** The user that servers run as: postgres beneath root, otherwise whoever runs the tests. */
export const serverUser =
  process.getuid?.() === 0
    ? { name: 'postgres', ...idsOf('postgres') }
    : { name: userInfo().username, uid: userInfo().uid, gid: userInfo().gid };

function idsOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export interface Tls {
  ca: string;
  cert: string;
  key: string;
}

/** A CA and one certificate for every address, clientAuth beside serverAuth. */
export function makeCertificates(dir: string, addresses: string[]): Tls[] {
  const ca = join(dir, 'ca.pem');
  const caKey = join(dir, 'ca-key.pem');
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...curve, '-keyout', caKey, '-out', ca, '-days', '2', '-subj', '/CN=ca');
  chmodSync(ca, 0o644);
  return addresses.map((address) => {
    const file = (suffix: string) => join(dir, `${address}${suffix}`);
    const [cert, key, csr, ext] = [file('.pem'), file('-key.pem'), file('.csr'), file('.ext')];
    openssl('req', ...curve, '-keyout', key, '-out', csr, '-subj', `/CN=${address}`);
    const usage = 'extendedKeyUsage=serverAuth,clientAuth';
    writeFileSync(ext, `subjectAltName=IP:${address},IP:127.0.0.1\n${usage}\n`);
    const signer = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial'];
    openssl('x509', '-req', '-in', csr, ...signer, '-out', cert, '-days', '2', '-extfile', ext);
    chmodSync(cert, 0o644);
    chmodSync(key, 0o600);
    chownSync(key, serverUser.uid, serverUser.gid);
    return { ca, cert, key };
  });
}

export class DatabaseCluster {
  readonly dir: string;
  readonly members: Member[];
  readonly tls: Tls[];
  readonly #processes = new Map<string, ChildProcess>();

  private constructor(dir: string, members: Member[], tls: Tls[]) {
    this.dir = dir;
    this.members = members;
    this.tls = tls;
  }

  static async create(units: number): Promise<DatabaseCluster> {
    const dir = await mkdtemp(join(tmpdir(), 'pgc-'));
    chmodSync(dir, 0o711);
    const prefix = `127.${randomInt(1, 250)}.${randomInt(1, 250)}`;
    const members = Array.from({ length: units }, (_, n) => ({
      unit: `postgresql/${n}`,
      member: `postgresql-${n}`,
      address: `${prefix}.${10 + n}`,
    }));
    const addresses = members.map((member) => member.address);
    const cluster = new DatabaseCluster(dir, members, makeCertificates(dir, addresses));
    for (const member of members) {
      const base = cluster.base(member);
      for (const path of [base, join(base, 'etc'), join(base, 'run'), join(base, 'data')]) {
        mkdirSync(path, { mode: 0o711 });
        chmodSync(path, 0o711);
        chownSync(path, serverUser.uid, serverUser.gid);
      }
    }
    return cluster;
  }

  base(member: Member): string {
    return join(this.dir, member.member);
  }

  at(index: number): { member: Member; tls: Tls } {
    const [member, tls] = [this.members[index], this.tls[index]];
    if (member === undefined || tls === undefined) throw new RangeError(`no member ${index}`);
    return { member, tls };
  }

  /** One etcd voter beside each of the first `count` members, all knowing each other. */
  startEtcd(count: number): void {
    const voters = this.members.slice(0, count);
    const initial = voters.map((m) => `${m.member}=https://${m.address}:2380`).join(',');
    for (const index of voters.keys()) this.startEtcdMember(index, initial, 'new');
  }

  startEtcdMember(index: number, initial: string, state: 'new' | 'existing'): void {
    const { member, tls } = this.at(index);
    const url = (port: number) => `https://${member.address}:${port}`;
    const files = (kind: 'peer-' | '') => [
      `--${kind}cert-file=${tls.cert}`,
      `--${kind}key-file=${tls.key}`,
      `--${kind}trusted-ca-file=${tls.ca}`,
      `--${kind}client-cert-auth`,
    ];
    this.start(`etcd-${index}`, 'etcd', [
      `--name=${member.member}`,
      `--data-dir=${join(this.base(member), 'data', 'etcd')}`,
      `--listen-client-urls=${url(2379)}`,
      `--advertise-client-urls=${url(2379)}`,
      `--listen-peer-urls=${url(2380)}`,
      `--initial-advertise-peer-urls=${url(2380)}`,
      `--initial-cluster=${initial}`,
      `--initial-cluster-state=${state}`,
      '--strict-reconfig-check=false',
      '--heartbeat-interval=100',
      // A leader that gets no processor for a while stays leader.
      '--election-timeout=5000',
      '--unsafe-no-fsync',
      ...files(''),
      ...files('peer-'),
    ]);
  }

  startPatroni(index: number, etcdHosts?: string[]): void {
    const { member, tls } = this.at(index);
    const path = join(this.base(member), 'etc', 'patroni.yaml');
    const hosts = etcdHosts ?? [`${this.at(0).member.address}:2379`];
    writeFileSync(path, JSON.stringify(patroniConfig(this, member, tls, hosts)), { mode: 0o600 });
    chownSync(path, serverUser.uid, serverUser.gid);
    this.start(`patroni-${index}`, 'patroni', [path]);
  }

  /** Needs the ini that the agent writes. */
  startPgbouncer(index: number): void {
    const ini = join(this.base(this.at(index).member), 'etc', 'pgbouncer.ini');
    this.start(`pgbouncer-${index}`, 'pgbouncer', [ini]);
  }

  /** Runs as whoever runs the tests: the agent is root where the servers are not. */
  startAgent(index: number, change: Partial<Desired> = {}): void {
    const { member } = this.at(index);
    this.writeDesired(index, change);
    const main = new URL('../../src/agent/main.ts', import.meta.url).pathname;
    this.start(`agent-${index}`, process.execPath, [main, '--dir', this.base(member)], {});
  }

  writeDesired(index: number, change: Partial<Desired>): void {
    const path = join(this.base(this.at(index).member), 'desired.json');
    writeFileSync(`${path}~`, JSON.stringify(this.desired(index, change)), { mode: 0o600 });
    renameSync(`${path}~`, path);
  }

  agent(index: number): AgentPort {
    return agentClient(join(this.base(this.at(index).member), 'run', 'agent.sock'));
  }

  start(
    name: string,
    command: string,
    args: string[],
    owner: { uid?: number; gid?: number } = { uid: serverUser.uid, gid: serverUser.gid },
  ): ChildProcess {
    const log = openSync(join(this.dir, `${name}.log`), 'a');
    const env = { PATH: `/usr/sbin:${process.env['PATH']}`, HOME: this.dir, LANG: 'C.UTF-8' };
    const child = spawn(command, args, {
      cwd: this.dir,
      env,
      ...owner,
      stdio: ['ignore', log, log],
    });
    this.#processes.set(name, child);
    return child;
  }

  process(name: string): ChildProcess | undefined {
    return this.#processes.get(name);
  }

  /** Ends one process and waits until it is gone. */
  async end(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(timer);
  }

  postmasterPid(index: number): number | undefined {
    const file = join(this.base(this.at(index).member), 'data', 'main', 'postmaster.pid');
    if (!existsSync(file)) return undefined;
    return Number(execFileSync('head', ['-1', file], { encoding: 'utf8' }));
  }

  /** The postmaster and its children. */
  serverPids(index: number): number[] {
    const pid = this.postmasterPid(index);
    if (pid === undefined) return [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...children.split(' ').map(Number)];
  }

  async destroy(): Promise<void> {
    const names = [...this.#processes.keys()];
    await Promise.all(names.filter((name) => !name.startsWith('etcd')).map((n) => this.end(n)));
    await Promise.all(names.map((name) => this.end(name)));
    // A Patroni that did not end in time has left its server, which still writes.
    await removeInstallation(this.dir);
  }

  /** What the charm would have written for this member's agent. */
  desired(index: number, change: Partial<Desired> = {}): Desired {
    const { member, tls } = this.at(index);
    const base = this.base(member);
    return {
      version: 1,
      generation: 1,
      unit: {
        name: member.unit,
        member: member.member,
        app: 'postgresql',
        address: member.address,
        model: 'test',
        modelUuid: '00000000-0000-4000-8000-000000000000',
      },
      members: this.members,
      paths: {
        base,
        etc: join(base, 'etc'),
        run: join(base, 'run'),
        log: join(base, 'log'),
        tls,
        dataDir: join(base, 'data', 'main'),
        service: join(base, 'service'),
      },
      serverUser: process.getuid?.() === 0 ? serverUser : undefined,
      etcd: { endpoints: [`https://${this.at(0).member.address}:2379`] },
      patroni: {
        scope: 'postgresql',
        namespace: '/db/',
        port: 8008,
        username: 'patroni',
        password: 'rest-test-password',
      },
      postgres: {
        port: 5432,
        major: 15,
        binDir: binDir(),
        superuser: 'operator',
        password: PASSWORD,
        replicationUser: 'replication',
      },
      pooler: {
        port: 6432,
        mode: 'transaction',
        maxClientConnections: 200,
        poolSize: 20,
        maxPreparedStatements: 0,
        // On a busy machine a switchover takes longer than its own hold.
        failoverWait: { seconds: 90 },
        readerLagBytes: 64 * 1024 * 1024,
        access: [{ user: 'app', databases: ['shop'], networks: ['127.0.0.0/8'] }],
      },
      metrics: { port: 9188, backupPort: 9854 },
      wake: { command: ['true'] },
      backup: undefined,
      ...change,
    };
  }
}

function binDir(): string {
  const pgConfig = execFileSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -1']);
  return pgConfig.toString().trim();
}

function patroniConfig(cluster: DatabaseCluster, member: Member, tls: Tls, etcdHosts: string[]) {
  const base = cluster.base(member);
  return {
    scope: 'postgresql',
    namespace: '/db/',
    name: member.member,
    restapi: {
      listen: `${member.address}:8008`,
      connect_address: `${member.address}:8008`,
      certfile: tls.cert,
      keyfile: tls.key,
      cafile: tls.ca,
      authentication: { username: 'patroni', password: 'rest-test-password' },
    },
    ctl: { cacert: tls.ca },
    etcd3: {
      hosts: etcdHosts,
      protocol: 'https',
      cacert: tls.ca,
      cert: tls.cert,
      key: tls.key,
    },
    bootstrap: {
      dcs: {
        ttl: 20,
        loop_wait: 1,
        retry_timeout: 9,
        primary_start_timeout: 0,
        failsafe_mode: true,
        postgresql: { use_pg_rewind: true, use_slots: true },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums', 'no-sync'],
    },
    postgresql: {
      listen: `${member.address}:5432`,
      connect_address: `${member.address}:5432`,
      basebackup: [{ checkpoint: 'fast' }],
      data_dir: join(base, 'data', 'main'),
      bin_dir: binDir(),
      pgpass: join(base, 'run', 'pgpass'),
      authentication: {
        superuser: { username: 'operator', password: PASSWORD },
        replication: { username: 'replication', password: 'replication-password' },
        rewind: { username: 'rewind', password: 'rewind-password' },
      },
      parameters: {
        unix_socket_directories: join(base, 'run'),
        shared_buffers: '16MB',
        max_connections: 60,
        password_encryption: 'scram-sha-256',
        fsync: 'off',
      },
      pg_hba: [
        'local all operator scram-sha-256',
        'host replication replication 127.0.0.0/8 scram-sha-256',
        'host all all 127.0.0.0/8 scram-sha-256',
      ],
    },
  };
}

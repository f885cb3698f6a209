/**
 * The system packages that units run on: which, why, whether they are there, and their installation
 * through apt without questions. Asks for files, not for package names: what an operator installed
 * from elsewhere counts too.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { elapsed, progressStream, Refusal, say } from './terminal.mjs';

const programs = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const hasProgram = (name) => () => programs.some((directory) => existsSync(join(directory, name)));

/** The same names on Debian 12, Debian 13 and Ubuntu 24.04. */
const packages = [
  { name: 'postgresql', why: 'the database server', present: hasServer },
  { name: 'patroni', why: 'keeps one primary', present: hasProgram('patroni') },
  { name: 'python3-etcd', why: 'lets Patroni speak to etcd', present: hasPythonEtcd },
  { name: 'etcd-server', why: 'holds who is primary', present: hasProgram('etcd') },
  { name: 'etcd-client', why: 'etcdctl, to look at it', present: hasProgram('etcdctl') },
  { name: 'pgbouncer', why: 'the pooler in front', present: hasProgram('pgbouncer') },
  { name: 'pgbackrest', why: 'backup and restore', present: hasProgram('pgbackrest') },
  { name: 'runit', why: 'keeps services running', present: hasProgram('runsvdir') },
  { name: 'prometheus', why: 'monitoring', present: hasProgram('prometheus') },
  {
    name: 'prometheus-alertmanager',
    why: 'tells of alerts',
    present: hasProgram('prometheus-alertmanager'),
  },
  {
    name: 'prometheus-postgres-exporter',
    why: 'metrics of PostgreSQL',
    present: hasProgram('prometheus-postgres-exporter'),
  },
  { name: 'slapd', why: 'the directory', present: hasProgram('slapd') },
  { name: 'ldap-utils', why: 'what is asked of it', present: hasProgram('ldapmodify') },
  { name: 'openssl', why: 'certificates', present: hasProgram('openssl') },
  { name: 'ca-certificates', why: 'trust in public services', present: hasCertificates },
  { name: 'procps', why: 'finding processes', present: hasProgram('ps') },
  { name: 'iproute2', why: 'addresses of machines', present: hasProgram('ip') },
];

const supported = { debian: ['12', '13'], ubuntu: ['24.04'] };

function hasServer() {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return false;
  return readdirSync(root).some((major) => existsSync(join(root, major, 'bin', 'postgres')));
}

function hasPythonEtcd() {
  return existsSync('/usr/lib/python3/dist-packages/etcd/__init__.py');
}

function hasCertificates() {
  return existsSync('/etc/ssl/certs/ca-certificates.crt');
}

/**
 * Installs what is missing, and mends what an interrupted installation left behind.
 *
 * @throws Refusal when the system is not one that we know, or the packages cannot be had
 */
export async function ensurePackages() {
  const missing = packages.filter(({ present }) => !present());
  const interrupted = wasInterrupted();
  if (missing.length === 0 && !interrupted) return;
  requireKnownSystem(missing);
  if (interrupted) say('an earlier installation was interrupted', 'putting back what it changed');
  for (const { name, why } of missing) say(`missing package ${name}`, why);
  const started = Date.now();
  await installAsRoot(missing.map(({ name }) => name));
  const absent = packages.filter(({ present }) => !present());
  if (absent.length > 0) {
    const names = absent.map(({ name }) => name).join(' ');
    throw new Refusal(
      `cannot find what packages should have installed: ${names}`,
      `their files were removed by hand? run as root: apt-get install --reinstall ${names}`,
    );
  }
  if (missing.length > 0) say(`installed ${missing.length} packages`, `took ${elapsed(started)}`);
}

function requireKnownSystem(missing) {
  const { id, version, name } = osRelease();
  if (supported[id]?.includes(version)) return;
  const names = missing.map((entry) => entry.name).join(', ');
  throw new Refusal(
    `cannot install packages on ${name}: Debian 12 and 13 and Ubuntu 24.04 are known`,
    `provide these programs yourself and start again: ${names}`,
  );
}

function osRelease() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (key) => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { id: field('ID'), version: field('VERSION_ID'), name: field('PRETTY_NAME') || 'this' };
}

/** The marks that apt-guards.mjs leaves while it is at work. */
function wasInterrupted() {
  const policy = '/usr/sbin/policy-rc.d';
  const dropIn = '/etc/postgresql-common/createcluster.d/pgcharm-install.conf';
  const main = '/etc/postgresql-common/createcluster.conf';
  const marked = (path) => existsSync(path) && readFileSync(path, 'utf8').includes('pgcharm');
  return marked(policy) || existsSync(dropIn) || marked(main);
}

async function installAsRoot(names) {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'apt-install.mjs');
  const command = [process.execPath, script, ...names];
  const prefix = process.getuid() === 0 ? [] : sudo(names);
  const [program, ...args] = [...prefix, ...command];
  const child = spawn(program, args, { stdio: ['ignore', progressStream().fd, 'inherit'] });
  // The installation ends in good order by itself after Ctrl-C; this process waits for that.
  const ignore = () => {};
  process.on('SIGINT', ignore).on('SIGTERM', ignore);
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  process.off('SIGINT', ignore).off('SIGTERM', ignore);
  if (code === 0) return;
  if (code !== 130 && code !== null) throw new Refusal(''); // It has said why.
  throw new Refusal('cannot install packages: interrupted', 'run the same command again');
}

function sudo(names) {
  const probe = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
  if (probe.status === 0) return ['sudo', '-n'];
  const reason = probe.error === undefined ? 'sudo asks for a password' : 'there is no sudo';
  throw new Refusal(
    `cannot install packages: this user is not root and ${reason}`,
    names.length === 0
      ? 'run `npm start` once as root'
      : `run \`sudo -v\` first, or install as root: ${names.join(' ')}`,
  );
}

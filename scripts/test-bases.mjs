/**
 * `npm run test:bases [-- <suite>]`: the main path on other systems. Makes a root of Debian 13 (or
 * another suite) by debootstrap, copies the clone into it, and runs there, as a newcomer would,
 * package set-up and the process tests of deploy, switchover, scaling, backup, restore and metrics.
 *
 * Needs root. Everything runs in namespaces of its own: no process, port or mount outlives it. The
 * bare root is kept in /var/cache/pgcharm-bases for the next run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { projectRoot, runToEnd, underPinnedNode } from './lib/node.mjs';
import { elapsed, Refusal, runScript, say } from './lib/terminal.mjs';

const cache = '/var/cache/pgcharm-bases';
/** Where the clone lies in the root. */
const there = '/clone';
/**
 * Files of tests/process whose path holds one of these; three units in clients and backup.
 * Scaling, because etcd and Patroni of other versions move voters and members otherwise;
 * observability and monitoring, because exporters and Prometheus of other versions know others.
 */
const mainPath = [
  'process/deploy.test',
  'process/clients.test',
  'process/backup.test',
  'process/scaling.test',
  'process/observability.test',
  'process/monitoring.test',
];

await runScript(async (args) => {
  const code = await underPinnedNode('test-bases.mjs', args);
  if (code !== undefined) return code;
  requireRoot();
  const suites = args.length > 0 ? args : ['trixie'];
  for (const suite of suites) {
    const ended = await testOn(suite);
    if (ended !== 0) return ended;
  }
  return 0;
});

/** The archive of Debian that this machine itself installs from. */
function mirror() {
  const format = ['--format', '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)'];
  const args = ['indextargets', ...format, 'Created-By: Packages'];
  const { stdout } = spawnSync('apt-get', args, { encoding: 'utf8' });
  // The archive's own suites have one word; bookworm-security lies elsewhere.
  const found = /^Debian main [a-z]+ (\S+)$/m.exec(stdout ?? '')?.[1];
  if (found !== undefined) return found;
  const hint = 'run apt-get update on a machine that installs packages from Debian';
  throw new Refusal("cannot find Debian's archive in the sources of apt", hint);
}

function requireRoot() {
  if (process.getuid() !== 0) {
    throw new Refusal('cannot make a root directory as this user', 'run it as root');
  }
  for (const program of ['debootstrap', 'unshare', 'chroot']) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) continue;
    throw new Refusal(`cannot find ${program}`, `apt-get install ${program}`);
  }
}

async function testOn(suite) {
  const started = Date.now();
  const base = bareRoot(suite);
  const root = mkdtempSync(join(tmpdir(), `base-${suite}-`));
  try {
    say(`copying the clone into a root of ${suite}`);
    chmodSync(root, 0o755);
    execFileSync('cp', ['-a', `${base}/.`, root]);
    copyClone(join(root, there));
    say('installing packages there', 'as npm start does');
    const packages = `${there}/scripts/lib/packages.mjs`;
    const install = `import('${packages}').then((m) => m.ensurePackages())`;
    const node = join(there, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
    const installed = await inside(root, `${node} -e "${install}"`, []);
    if (installed !== 0) return installed;
    // Without a network, so that neither ports nor downloads of the host play a part.
    const tests = `ip link set lo up && ${node} ${there}/scripts/test.mjs ${mainPath.join(' ')}`;
    const code = await inside(root, tests, ['--net']);
    say(`${suite}: ${code === 0 ? 'passed' : 'FAILED'}`, elapsed(started));
    return code;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A command in the root, alone with its processes and mounts, which end with it. */
function inside(root, command, namespaces) {
  const script = [
    // Its root is to be a mount, or nobody in it can have a mount namespace of their own.
    `mount --bind ${root} ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount --rbind /dev ${root}/dev`,
    `exec chroot ${root} /bin/sh -c '${command.replaceAll("'", "'\\''")}'`,
  ].join(' && ');
  const isolated = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];
  return runToEnd('unshare', [...isolated, ...namespaces, 'sh', '-c', script], {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    NODE_COMPILE_CACHE: '/tmp/node-cache',
  });
}

/** Made once, whole or not at all. */
function bareRoot(suite) {
  const kept = join(cache, suite);
  if (existsSync(kept)) return kept;
  say(`making a root of ${suite} (debootstrap)`, `kept in ${cache}`);
  mkdirSync(cache, { recursive: true });
  const making = `${kept}.${process.pid}~`;
  const args = ['--variant=minbase', suite, making, mirror()];
  const { status, stdout } = spawnSync('debootstrap', args, { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(making, { recursive: true, force: true });
    throw new Refusal(`cannot make a root of ${suite}: ${stdout.trim().split('\n').at(-1)}`);
  }
  renameSync(making, kept);
  return kept;
}

/** What git knows or would take, the npm packages, and the names of servers. */
function copyClone(target) {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  for (const path of listed.split('\0').filter((name) => name !== '')) {
    const from = join(projectRoot, path);
    if (!existsSync(from)) continue;
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(from, join(target, path));
  }
  execFileSync('cp', ['-a', join(projectRoot, 'node_modules'), join(target, 'node_modules')]);
  writeFileSync(join(dirname(target), 'etc', 'resolv.conf'), readFileSync('/etc/resolv.conf'));
}

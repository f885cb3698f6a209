/**
 * Keeps packages from starting or creating anything while they are installed, and puts everything
 * back afterwards. Runs as root.
 *
 * Every change carries the word pgcharm, so that the next run recognises and undoes what a killed
 * one left behind.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const policy = '/usr/sbin/policy-rc.d';
const savedPolicy = '/usr/sbin/policy-rc.d.pgcharm-saved';
/** Policy: https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt, 101 is "no". */
const denyAll = '#!/bin/sh\n# pgcharm: no service starts while packages are installed\nexit 101\n';
const remembered = '# enabled before: ';

const clusterConfig = '/etc/postgresql-common/createcluster.conf';
const clusterDropIn = '/etc/postgresql-common/createcluster.d/pgcharm-install.conf';
const noCluster = '# pgcharm: while packages are installed\ncreate_main_cluster = false\n';

/** What started at boot before an interrupted run, which wrote it down; undefined without one. */
export function enabledBeforeInterruption() {
  if (!isOurs(policy)) return undefined;
  const lines = readFileSync(policy, 'utf8').split('\n');
  const own = lines.filter((line) => line.startsWith(remembered));
  return new Set(own.map((line) => line.slice(remembered.length)));
}

/** Undoes what this run or an interrupted one changed. Harmless when there is nothing. */
export function putBack() {
  if (isOurs(policy)) {
    if (existsSync(savedPolicy)) renameSync(savedPolicy, policy);
    else rmSync(policy);
  } else rmSync(savedPolicy, { force: true });
  if (existsSync(clusterDropIn)) rmSync(clusterDropIn);
  if (isOurs(clusterConfig)) {
    const text = readFileSync(clusterConfig, 'utf8');
    replace(clusterConfig, text.replace(noCluster, ''), 0o644);
  }
}

/**
 * No maintainer script may start a service from here on.
 *
 * @param {Set<string>} before what starts at boot, for a run that has to clean up after this one
 */
export function denyStarts(before) {
  if (existsSync(policy)) copyFileSync(policy, savedPolicy);
  const notes = [...before].map((link) => `${remembered}${link}\n`).join('');
  replace(policy, denyAll + notes, 0o755);
}

/**
 * A server package that is installed from here on makes no cluster of its own. Needs
 * postgresql-common to be there: its configuration file must be the package's, not ours.
 */
export function denyMainCluster() {
  const text = existsSync(clusterConfig) ? readFileSync(clusterConfig, 'utf8') : '';
  if (/^include_dir/m.test(text)) {
    mkdirSync(dirname(clusterDropIn), { recursive: true });
    writeFileSync(clusterDropIn, noCluster, { mode: 0o644 });
  } else if (text !== '' && !isOurs(clusterConfig)) {
    replace(clusterConfig, noCluster + text, 0o644);
  }
}

function isOurs(path) {
  return existsSync(path) && readFileSync(path, 'utf8').includes('# pgcharm:');
}

function replace(path, text, mode) {
  const temporary = `${path}.pgcharm~`;
  writeFileSync(temporary, text, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, path);
}

/**
 * What starts at boot: names of systemd's links and of the SysV start links.
 *
 * Read from the directories, because a container or chroot may have no systemctl that works.
 *
 * @returns {Set<string>} paths of links
 */
export function enabledLinks() {
  const links = new Set();
  const systemd = '/etc/systemd/system';
  for (const directory of list(systemd).filter((name) => /\.(wants|requires)$/.test(name))) {
    for (const name of list(join(systemd, directory))) links.add(join(systemd, directory, name));
  }
  for (const runlevel of ['2', '3', '4', '5', 'S']) {
    const directory = `/etc/rc${runlevel}.d`;
    for (const name of list(directory)) if (name.startsWith('S')) links.add(join(directory, name));
  }
  // Debian's runit supervises at boot what is linked here.
  for (const name of list('/etc/service')) links.add(join('/etc/service', name));
  return links;
}

function list(directory) {
  return existsSync(directory) ? readdirSync(directory) : [];
}

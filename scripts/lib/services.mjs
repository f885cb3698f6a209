/**
 * Stops the services of an installation in an order that loses nothing and makes no failover:
 * agents first, then poolers, replicas, primaries, etcd, and all others. Speaks to runsv through
 * its control files; what runs is found by the installation's directory.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { killAll, processesOf, signalAll, waitUntil } from './processes.mjs';
import { say } from './terminal.mjs';

const phaseMs = 90_000;

/** Each phase waits for the one before. What no phase names is stopped last. */
const phases = [
  { what: 'agents', wanted: ({ name }) => name === 'agent' },
  { what: 'poolers', wanted: ({ name }) => name === 'pgbouncer' },
  { what: 'replicas', wanted: (service) => service.name === 'patroni' && isReplica(service) },
  { what: 'primaries', wanted: ({ name }) => name === 'patroni' },
  { what: 'etcd', wanted: ({ name }) => name === 'etcd' },
  { what: 'all others', wanted: ({ name }) => name !== 'log' },
];

/** @returns {Promise<number>} how many services were stopped */
export async function stopServices(root) {
  const stopped = new Set();
  for (const { what, wanted } of phases) {
    const chosen = servicesOf(root).filter(
      (service) =>
        !stopped.has(service.directory) && pidOf(service) !== undefined && wanted(service),
    );
    if (chosen.length === 0) continue;
    say(`stopping ${what}`, chosen.map(({ unit, name }) => `${unit} ${name}`).join(', '));
    for (const service of chosen) {
      control(service, 'd');
      stopped.add(service.directory);
    }
    await waitUntil(() => chosen.every((service) => pidOf(service) === undefined), phaseMs);
  }
  await endSupervisors(root);
  return stopped.size;
}

/** Ends supervisors and whatever else is left; politely, then not. */
async function endSupervisors(root) {
  const empty = () => processesOf(root).length === 0;
  signalAll(
    processesOf(root).filter(({ command }) => basename(command.split(' ')[0]) === 'runsvdir'),
    'SIGHUP',
  );
  if (await waitUntil(empty, 5000)) return;
  signalAll(processesOf(root), 'SIGTERM');
  if (await waitUntil(empty, 15_000)) return;
  for (const { pid, command } of processesOf(root)) say(`killing process ${pid}`, command);
  await killAll(root);
}

/** What runsv supervises: its working directory is the service's. */
function servicesOf(root) {
  return processesOf(root)
    .filter(({ command }) => /(^|\/)runsv /.test(command))
    .map(({ cwd }) => ({
      directory: cwd,
      name: basename(cwd),
      unit: /\/(unit-[a-z0-9-]+)\//.exec(cwd)?.[1] ?? '',
    }));
}

function pidOf({ directory }) {
  try {
    const text = readFileSync(join(directory, 'supervise', 'pid'), 'utf8').trim();
    return text === '' ? undefined : Number(text);
  } catch {
    return undefined;
  }
}

function control({ directory }, command) {
  try {
    writeFileSync(join(directory, 'supervise', 'control'), command);
  } catch (error) {
    // Without a reader the supervisor is gone; its service ends with the leftovers.
    if (error.code !== 'ENXIO' && error.code !== 'ENOENT') throw error;
  }
}

/** PostgreSQL's own mark in the data directory that Patroni's configuration names. */
function isReplica({ directory }) {
  const config = join(directory, '..', '..', 'etc', 'patroni.yaml');
  if (!existsSync(config)) return false;
  const data = /data_dir"?:\s*"?([^\s"]+)/.exec(readFileSync(config, 'utf8'))?.[1];
  return data !== undefined && existsSync(join(data, 'standby.signal'));
}

/**
 * The controller's mark of the present boot (src/controller/machines/boot.ts). Without it the next
 * start is one after a boot: units get their start event and bring their services up.
 */
export function forgetBoot(root) {
  const directory = process.getuid() === 0 ? '/run' : process.env.XDG_RUNTIME_DIR;
  if (directory === undefined) return;
  const id = createHash('sha256').update(root).digest('hex').slice(0, 12);
  rmSync(join(directory, `pgcharm-${id}.boot`), { force: true });
}

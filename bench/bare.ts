/**
 * The least that could do the job of a deployment: the same programs, users, files and settings as
 * a deployed postgresql application left them, on empty data, started by hand at the same moment.
 *
 * Works on the directory of an installation whose processes have ended; afterwards its data is new.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { initdbOptions } from '../src/charm/model/patroni-config.ts';

interface Member {
  /** `pg` directory of the unit. */
  dir: string;
  patroni: {
    restapi: { connect_address: string };
    postgresql: { data_dir: string; listen: string };
  };
  etcd: Record<string, unknown> | undefined;
}

/** What Patroni holds in etcd, asked while the deployment still runs. */
export async function dynamicConfig(root: string, unit: string): Promise<unknown> {
  const { dir, patroni } = readMember(root, unit);
  return rest(dir, patroni.restapi.connect_address, '/config');
}

/**
 * @param units of one application, all of them
 * @returns milliseconds from the first process to all members streaming and poolers listening
 */
export async function startBare(
  root: string,
  units: readonly string[],
  dcs: unknown,
): Promise<number> {
  const members = units.map((unit) => readMember(root, unit));
  for (const member of members) await empty(member, members, dcs);
  const started = performance.now();
  const children = members.flatMap(({ dir, etcd }) => [
    ...(etcd === undefined ? [] : [startService(dir, 'etcd')]),
    startService(dir, 'patroni'),
    startService(dir, 'pgbouncer'),
  ]);
  try {
    await untilServing(members);
    return performance.now() - started;
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

function readMember(root: string, unit: string): Member {
  const dir = join(root, 'agents', `unit-${unit.replace('/', '-')}`, 'pg');
  const json = (name: string) => JSON.parse(readFileSync(join(dir, 'etc', name), 'utf8'));
  const isVoter = !existsSync(join(dir, 'service', 'etcd', 'down'));
  return { dir, patroni: json('patroni.yaml'), etcd: isVoter ? json('etcd.yaml') : undefined };
}

async function empty(member: Member, members: readonly Member[], dcs: unknown): Promise<void> {
  const { dir, patroni, etcd } = member;
  const owner = statSync(join(dir, 'tls', 'key.pem'));
  const data = patroni.postgresql.data_dir;
  const wal = readlinkSync(join(data, 'pg_wal'));
  // The charm gives this section to its founder only, and takes it away when the database is made.
  const config = { ...patroni, bootstrap: { dcs, initdb: initdbOptions(wal) } };
  await rewrite(join(dir, 'etc', 'patroni.yaml'), JSON.stringify(config));
  const servers = [data, wal, join(dir, 'etcd'), join(dir, 'run')];
  for (const path of servers) {
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chown(path, owner.uid, owner.gid);
  }
  if (etcd !== undefined)
    await rewrite(join(dir, 'etc', 'etcd.yaml'), foundingConfig(etcd, members));
}

/** All voters found the cluster together: by hand nobody would add them one by one. */
function foundingConfig(own: Record<string, unknown>, members: readonly Member[]): string {
  const peers = members.flatMap(({ etcd }) =>
    etcd === undefined ? [] : [`${etcd['name']}=${etcd['initial-advertise-peer-urls']}`],
  );
  const founding = { 'initial-cluster': peers.join(','), 'initial-cluster-state': 'new' };
  return JSON.stringify({ ...own, ...founding, 'initial-cluster-token': 'bare' });
}

/** Keeps owner and mode. */
async function rewrite(path: string, text: string): Promise<void> {
  await writeFile(path, text);
}

function startService(dir: string, name: string): ChildProcess {
  const place = join(dir, 'service', name);
  return spawn(join(place, 'start'), { cwd: place, stdio: 'ignore' });
}

async function untilServing(members: readonly Member[]): Promise<void> {
  for (const started = performance.now(); performance.now() - started < 120_000; ) {
    const found = await Promise.all(members.map((member) => isServing(member, members.length)));
    if (found.every(Boolean)) return;
    await delay(50);
  }
  throw new Error('the bare processes do not serve within two minutes');
}

async function isServing({ dir, patroni }: Member, count: number): Promise<boolean> {
  try {
    const view = await rest(dir, patroni.restapi.connect_address, '/cluster');
    const { members = [] } = view as { members?: { role: string; state: string }[] };
    const upright = members.filter(({ role, state }) => isUpright(role, state));
    const [host = ''] = patroni.postgresql.listen.split(':');
    return upright.length === count && (await listens(host, 6432));
  } catch {
    return false; // Not up yet.
  }
}

/** Patroni before version 3.0.4 calls a streaming replica running. */
function isUpright(role: string, state: string): boolean {
  return role === 'leader' ? state === 'running' : ['streaming', 'running'].includes(state);
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function rest(dir: string, address: string, path: string): Promise<unknown> {
  const [host = '', port = ''] = address.split(':');
  const ca = readFileSync(join(dir, 'tls', 'ca.pem'));
  return new Promise((resolve, reject) => {
    const call = request({ host, port: Number(port), path, ca, timeout: 2000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        try {
          resolve(JSON.parse(text));
        } catch (error) {
          reject(error);
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in two seconds')));
    call.on('error', reject);
    call.end();
  });
}

/**
 * Forms a new etcd of one member when the old one is lost for good, with what Patroni needs to go
 * on with the database that lies here: its identifier and the settings that all members share.
 *
 * Every part may be repeated. The epoch in this unit's databag tells members of the lost etcd that
 * come back later that theirs is the past.
 */
import { writeFile } from 'node:fs/promises';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import { etcdConfig } from '../model/etcd-config.ts';
import { clientUrl, peerUrl } from '../model/etcd-facts.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { unitServices } from '../workload/services.ts';
import { emptyDirectory } from './etcd.ts';
import type { Families, Tools } from './tools.ts';

const STOP_MS = 30_000;
const START_MS = 30_000;

export const reformSteps: Families<'reform-etcd'> = {
  'reform-etcd': {
    lane: 'voters',
    async apply({ epoch, systemIdentifier }, tools) {
      const { hooks, world } = tools;
      const { address, member } = world().unit;
      const id = world().peers.relationId;
      if (address === undefined || id === undefined) return undefined;
      await hooks.actionLog(`forming etcd anew on ${member}`);
      await startAlone(tools, address, epoch);
      await hooks.actionLog('handing the state of the cluster to it');
      await restoreState(world(), address, systemIdentifier);
      await hooks.relationSet('database-peers', id, { 'etcd-reformed': String(epoch) });
      await restartPatroni(tools, address);
      return undefined;
    },
  },
};

async function startAlone(tools: Tools, address: string, epoch: number): Promise<void> {
  const world = tools.world();
  const services = unitServices(world.layout, tools.context);
  await services.down('etcd');
  await services.stopped('etcd', STOP_MS);
  await emptyDirectory(world.layout.etcdData);
  const initialCluster = `${world.unit.member}=${peerUrl(address)}`;
  const plan = { state: 'new' as const, epoch, initialCluster, memberId: '' };
  await writeAtomic(world.layout.etcdConfig, etcdConfig(world, address, plan), owner(world));
  await services.up('etcd');
}

async function restoreState(
  world: Snapshot,
  address: string,
  systemIdentifier: string,
): Promise<void> {
  const { createEtcd } = await import('../workload/etcd.ts');
  const etcd = createEtcd({ endpoints: [clientUrl(address)], tls: world.layout.tls });
  try {
    const answers = () => etcd.members().catch(() => undefined);
    if ((await poll(answers, { timeoutMs: START_MS })) === undefined) {
      throw new OperatorError({
        code: 'etcd-unreachable',
        message: `cannot form etcd on ${world.unit.name}: it does not answer`,
        hint: `see ${world.layout.log}/etcd/current`,
      });
    }
    const place = `/db/${world.app}`;
    await etcd.put(`${place}/initialize`, systemIdentifier);
    // Patroni keeps its last view of the shared settings beside the data.
    const settings = await readIfExists(`${world.layout.data}/patroni.dynamic.json`);
    if (settings !== undefined) await etcd.put(`${place}/config`, settings);
  } finally {
    etcd.close();
  }
}

/**
 * Its configuration names the etcd that is lost; the next event writes the whole of it again.
 * Killed, because an orderly end would stop PostgreSQL and end its clients; the next Patroni adopts
 * the server that runs. Nothing is cut short: whoever forms etcd anew holds the whole database.
 */
async function restartPatroni(tools: Tools, address: string): Promise<void> {
  const world = tools.world();
  const { patroniConfig, service } = world.layout;
  const text = world.files[patroniConfig];
  if (text === undefined) return;
  const config = JSON.parse(text);
  config.etcd3.hosts = [clientUrl(address).replace('https://', '')];
  await writeAtomic(patroniConfig, `${JSON.stringify(config, null, 2)}\n`, owner(world));
  await writeFile(`${service}/patroni/loaded`, '');
  const services = unitServices(world.layout, tools.context);
  await services.restart('patroni', 'SIGKILL');
  await services.up('patroni');
}

function owner({ machine }: Snapshot): { mode: number; uid?: number; gid?: number } {
  const user = machine.serverUser;
  return user === undefined ? { mode: 0o600 } : { mode: 0o600, uid: user.uid, gid: user.gid };
}

/** All watches of one agent, started and stopped together, and which change nudges which. */
import type { Log } from '../../lib/std/log.ts';
import type { Clients } from './clients.ts';
import type { Facts } from './facts.ts';
import { watchCluster } from './watch/cluster.ts';
import { watchEtcd } from './watch/etcd.ts';
import { KeyWatch } from './watch/keys.ts';
import { watchLocal } from './watch/local.ts';
import { watchPeers } from './watch/peers.ts';
import { watchPrimary } from './watch/primary.ts';
import { PulseWatch } from './watch/pulse.ts';

export interface Watches {
  start(): void;
  /** Connections were made anew: observe everything again. */
  reconnect(): void;
  /** A new observation of the cluster, etcd and the primary, begun after this call. */
  observe(): Promise<void>;
  stop(): Promise<void>;
}

export interface Around {
  /** The record of work in etcd has changed. */
  workChanged(): void;
  /** Address of the server that clients are led to. */
  poolerLeadsTo(): string | undefined;
}

export function createWatches(facts: Facts, clients: Clients, log: Log, around: Around): Watches {
  const cluster = watchCluster(facts, clients, log);
  const etcd = watchEtcd(facts, clients, log);
  const local = watchLocal(facts, clients, log);
  const peers = watchPeers(facts, clients, log);
  const primary = watchPrimary(facts, clients, log, () => cluster.loop.nudge());
  const pulse = new PulseWatch(facts, clients, log, () => around.poolerLeadsTo());
  const keys = new KeyWatch(
    clients,
    {
      topology() {
        cluster.loop.nudge();
        pulse.loop.nudge();
      },
      config: () => cluster.configChanged(),
      work: () => around.workChanged(),
    },
    log,
  );
  const loops = [cluster.loop, etcd, local.loop, peers, primary.loop, pulse.loop];

  facts.onChange((subject) => {
    if (subject === 'patroni' && primaryMoved(facts)) primary.loop.nudge();
    // What the one connection has learnt the other one should look at, too.
    if (subject === 'pooler') pulse.loop.nudge();
    if (subject === 'pulse') {
      primary.loop.nudge();
      cluster.loop.nudge();
    }
  });
  return {
    start() {
      for (const loop of loops) loop.start();
    },
    reconnect() {
      keys.restart();
      for (const loop of loops) loop.nudge();
    },
    async observe() {
      await Promise.all([cluster.loop.fresh(), etcd.fresh()]);
      await primary.loop.fresh();
    },
    async stop() {
      await Promise.all([keys.stop(), pulse.stop(), ...loops.map((loop) => loop.stop())]);
      await Promise.all([local.close(), primary.close()]);
    },
  };
}

/** Patroni names another primary than the one that the resident connection goes to. */
function primaryMoved({ now }: Facts): boolean {
  if (!now.patroni.known) return false;
  const leader = now.patroni.value.members.find((member) => member.role === 'primary');
  return leader?.address !== (now.primary.known ? now.primary.value.address : undefined);
}

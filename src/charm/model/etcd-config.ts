/** etcd's configuration file, as a value. JSON is YAML, so rendering it needs no library. */
import { etcdMemberConfig } from '../../../lib/relations/etcd-member.ts';
import type { Snapshot } from './snapshot.ts';

export interface EtcdPlan {
  /** What an etcd that has no data yet does: found a cluster of one, or join one as a learner. */
  state: 'new' | 'existing';
  epoch: number;
  /** Started members and this one, `name=peerUrl`. */
  initialCluster: string;
  /** Id that the cluster gave the learner; '' for a founder. */
  memberId: string;
}

/** @param address the unit's own */
export function etcdConfig(world: Snapshot, address: string, plan: EtcdPlan): string {
  return render(
    etcdMemberConfig({
      name: world.unit.member,
      address,
      dataDirectory: world.layout.etcdData,
      tls: world.layout.tls,
      state: plan.state,
      initialCluster: plan.initialCluster,
      token: etcdToken(world, plan.epoch, plan.memberId),
    }),
  );
}

/** Names one formation of one cluster: members of different tokens never talk to each other. */
function etcdToken(world: Snapshot, epoch: number, memberId: string): string {
  return [world.model.uuid, world.app, epoch, memberId].join(' ');
}

/** Epoch and member id of the configuration on disk, or undefined when there is none to read. */
export function etcdOnDisk(world: Snapshot): { epoch: number; memberId: string } | undefined {
  const text = world.files[world.layout.etcdConfig];
  const token = /"initial-cluster-token": "([^"]*)"/.exec(text ?? '')?.[1];
  const [, , epoch, memberId] = token?.split(' ') ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), memberId: memberId ?? '' };
}

/** JSON, which every YAML reader reads. */
export function render(config: unknown): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

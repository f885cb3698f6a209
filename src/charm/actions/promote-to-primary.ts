/**
 * `run postgresql/1 promote-to-primary scope=unit`: hands the primary role to this unit, which must
 * stream with next to no lag; the work itself looks again and waits for the rest. With `force=true`
 * it also goes on where the clients of a pooler cannot be held, and ends the wait for an etcd that
 * is lost for good.
 */
import { type Action, accept, refuse } from '../../../lib/charm/action.ts';
import { unfitness } from '../model/candidate.ts';
import { clientUrl, etcdFacts, hasMajority, knownIdentifier } from '../model/etcd-facts.ts';
import { primaryOf, probe, type Snapshot, unitOfMember } from '../model/snapshot.ts';
import { type Steps, step } from '../model/steps.ts';
import { survival } from '../model/survival.ts';

interface Params {
  force: boolean;
  endTransactions?: boolean;
}

export const promoteToPrimary: Action<Snapshot, Steps, Params> = {
  name: 'promote-to-primary',
  parse({ scope, force, 'end-transactions': endTransactions }) {
    if (scope !== 'unit') {
      const given = scope === undefined ? 'missing' : JSON.stringify(scope);
      throw new Error(`cannot promote: scope is ${given}, allowed is unit`);
    }
    return {
      force: flag('force', force),
      endTransactions: flag('end-transactions', endTransactions),
    };
  },
  plan(world, { force, endTransactions }) {
    const cluster = probe(world, 'cluster');
    if (!cluster.known) return withoutEtcd(world, force, cluster.reason);
    const { name, member } = world.unit;
    const primary = primaryOf(world);
    if (primary?.member === member) return accept([], { primary: name });
    const self = cluster.value.members.find((each) => each.name === member);
    if (self === undefined) {
      return refuse('not-a-member', `cannot promote ${name}: it is not a member of the cluster`);
    }
    if (primary === undefined) {
      const reason = 'the cluster has no primary and is about to elect one';
      return refuse('no-primary', `cannot promote ${name}: ${reason}; see patronictl list`);
    }
    const reason = unfitness(self);
    if (reason !== undefined) return refuse('not-in-sync', `cannot promote ${name}: ${reason}`);
    const why = `an operator wants ${member} instead of ${primary.member}`;
    const params = {
      to: member,
      ...(force ? { force: 'true' } : {}),
      ...(endTransactions ? { 'end-transactions': 'true' } : {}),
    };
    const work = step('run-work', { kind: 'switchover', params }, why);
    return accept([work], { primary: name, 'previous-primary': unitOfMember(primary.member) });
  },
};

function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new Error(`cannot promote: ${name} is ${JSON.stringify(value)}, allowed: true, false`);
}

/** Only where no majority of the voters answers. */
function withoutEtcd(world: Snapshot, force: boolean, reason: string) {
  const { name, address } = world.unit;
  const facts = etcdFacts(world);
  const identifier = knownIdentifier(world);
  const own = address === undefined ? undefined : clientUrl(address);
  if (own === undefined || identifier === undefined) {
    return refuse('no-cluster', `cannot promote ${name}: there is no cluster yet`);
  }
  // A databag that has lost where etcd is does not keep an operator from going on.
  const lost = !world.agent.known || hasMajority(world) ? undefined : (facts ?? { epoch: 1 });
  if (lost === undefined) {
    return refuse('cluster-unknown', `cannot promote ${name}: ${reason}`);
  }
  if (world.data.systemIdentifier !== identifier) {
    return refuse('no-data', `cannot promote ${name}: it holds no copy of the database`);
  }
  const { loss, text } = survival(world);
  if (!force) {
    const hint = `if its units are lost for good, run again with force=true; ${name}: ${text}`;
    return refuse('etcd-lost', `cannot promote ${name}: etcd does not answer (${reason}); ${hint}`);
  }
  const why = 'an operator says that the units with the voters of etcd are lost for good';
  const args = { epoch: lost.epoch + 1, systemIdentifier: identifier };
  return accept([step('reform-etcd', args, why)], { primary: name, loss, 'loss-reason': text });
}

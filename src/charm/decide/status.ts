/**
 * What the unit's status says when nothing is wrong with its settings: its role, what is missing
 * for it, and what an operator has to do. Recomputed from the world at every event; never stored.
 */
import {
  clientUrl,
  etcdFacts,
  etcdMembers,
  hasMajority,
  knownIdentifier,
} from '../model/etcd-facts.ts';
import { addresses, primaryOf, probe, type Snapshot } from '../model/snapshot.ts';
import {
  active,
  blocked,
  type Decider,
  type Decision,
  maintenance,
  waiting,
} from '../model/steps.ts';
import { survival } from '../model/survival.ts';
import { seatedWitness, witnessRelations } from '../model/witness.ts';
import type { ClusterView } from '../model/world.ts';
import { directoryWish } from './ldap.ts';

export const status: Decider = (world) => {
  if (!world.agent.known) {
    if (world.services['agent']?.wantedUp !== true) {
      return [waiting('agent-absent', 'waiting for the leader to found the cluster')];
    }
    return [waiting('agent-unknown', `waiting for this unit's agent: ${world.agent.reason}`)];
  }
  const cluster = probe(world, 'cluster');
  if (!cluster.known) return [waiting('cluster-unknown', unreachable(world, cluster.reason))];
  const self = cluster.value.members.find((member) => member.name === world.unit.member);
  if (cluster.value.paused) {
    return [maintenance('paused', 'failover is paused; run: patronictl resume')];
  }
  const trouble = followingTrouble(world);
  if (trouble !== undefined) return [trouble];
  if (self === undefined) {
    return [waiting('member-absent', 'waiting for this member to join the cluster')];
  }
  if (!['running', 'streaming'].includes(self.state)) {
    return [waiting('member-not-running', describe(self.state))];
  }
  if (primaryOf(world) === undefined) {
    return [waiting('no-primary', 'waiting for a primary to be elected')];
  }
  if (self.role === 'standby-leader') return [active('active', 'Standby')];
  if (self.role !== 'primary') return [active('active', '')];
  const notes = `${directoryNote(world)}${witnessNote(world)}`;
  return [active('active', `Primary${suffix(world, cluster.value)}${notes}`)];
};

/** A member that cannot follow by itself is cloned anew, or has been often enough. */
function followingTrouble({ agent }: Snapshot): Decision | undefined {
  const trouble = agent.known ? agent.value.reclone : undefined;
  if (trouble === undefined) return undefined;
  const { state, reason, attempts, waitsFor = 'it soon is' } = trouble;
  if (state === 'waiting') {
    const next = `it is not cloned yet: ${waitsFor}`;
    return waiting('member-not-following', `cannot follow the primary: ${reason}; ${next}`);
  }
  const cure = `cloned ${attempts} times in vain; mend it, then run here: reclone release=true`;
  return blocked('quarantined', `cannot follow the primary: ${reason}; ${cure}`);
}

/** No PgBouncer of a supported base asks a directory: it refuses these users whatever they say. */
function directoryNote(world: Snapshot): string {
  return directoryWish(world) === undefined ? '' : '; directory users connect to port 5432';
}

/** Whether the primary's loss would be seen to by itself; nothing where nobody has a witness. */
function witnessNote(world: Snapshot): string {
  if (!witnessRelations(world).some(({ ending }) => !ending)) return '';
  const seated = seatedWitness(world);
  const count = world.peers.planned.length;
  if (seated === undefined) {
    return count === 2 ? '; no witness votes' : `; its witness votes with two units, not ${count}`;
  }
  const { witness, member } = seated;
  if (member.learner) return `; ${witness.unit} is about to vote`;
  if (!member.healthy) return `; ${witness.unit} does not answer`;
  // Of two voters none may be lost.
  const voting = (etcdMembers(world) ?? []).filter(({ learner }) => !learner);
  if (voting.length < 3) return `; ${witness.unit} votes, a third voter is about to`;
  // Whatever takes the zone away takes two of the three voters.
  const isBeside = ({ zone }: { zone?: string }) => zone !== undefined && zone === witness.zone;
  const beside = addresses(world).filter(isBeside);
  const where = beside.map(({ unit }) => unit).join(' and ');
  return `; ${witness.unit} votes${where === '' ? '' : `, in the zone of ${where}`}`;
}

/** Members that do not run although their units are planned: the cluster has less to lose. */
function suffix(world: Snapshot, cluster: ClusterView): string {
  const etcd = probe(world, 'etcd');
  if (!etcd.known) return ' (read-only)';
  const running = cluster.members.filter(({ state }) => ['running', 'streaming'].includes(state));
  return running.length < world.peers.planned.length ? ' (degraded)' : '';
}

/** The loss of most voters stops the cluster until an operator decides that they are lost. */
function unreachable(world: Snapshot, reason: string): string {
  const endpoints = etcdFacts(world)?.endpoints ?? [];
  const own = world.unit.address === undefined ? '' : clientUrl(world.unit.address);
  const depends = endpoints.some((url) => url !== own) && !hasMajority(world);
  if (!depends || knownIdentifier(world) === undefined) return `waiting for etcd: ${reason}`;
  if (endpoints.length > 1) {
    return (
      "waiting for most of etcd's voters; if their units are lost for good run on the best unit: " +
      `promote-to-primary scope=unit force=true; this one: ${survival(world).text}`
    );
  }
  return (
    "waiting for the primary's unit; if it is lost for good run on this unit: " +
    `promote-to-primary scope=unit force=true; ${survival(world).text}`
  );
}

function describe(state: string): string {
  if (state === 'creating replica') return 'cloning the database from the primary';
  return `waiting for PostgreSQL: ${state}`;
}

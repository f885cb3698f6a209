/**
 * What the leader owes the witnesses of `watcher-offer`: certificates of the internal CA for keys
 * that they have made themselves, and the word on who etcd's members are, by which they join and
 * leave. Whether a witness votes is decided by voters.ts, as for units.
 */
import {
  AUTHORITY_FIELD,
  certificateField,
  offerChanges,
  readMemberships,
  type WatcherOffer,
} from '../../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { etcdMembers } from '../model/etcd-facts.ts';
import type { Relation, Snapshot } from '../model/snapshot.ts';
import { type Decider, type Decision, step } from '../model/steps.ts';
import {
  namesField,
  WITNESS_ENDPOINT,
  type Witness,
  type WitnessRequest,
  witnesses,
  witnessRelations,
  witnessSecret,
  witnessTrust,
} from '../model/witness.ts';

export const witness: Decider = (world) => {
  if (!world.unit.isLeader) return [];
  return witnessRelations(world).flatMap((relation) =>
    relation.ending
      ? withdraw(relation, world)
      : [...certify(relation, world), ...tell(relation, world)],
  );
};

function withdraw({ id }: Relation, world: Snapshot): Decision[] {
  const label = witnessSecret(id);
  if (world.relationSecrets[label] === undefined) return [];
  return [step('remove-secret', { label }, 'the witness is gone')];
}

function certify({ id, units }: Relation, world: Snapshot): Decision[] {
  const label = witnessSecret(id);
  const held = world.relationSecrets[label]?.content;
  const authority = witnessTrust(world, held);
  const requests = witnesses(world)
    .filter(({ unit }) => units.some(({ name }) => name === unit))
    .map(requestOf);
  if (authority === undefined || requests.length === 0) return [];
  const isAnswered = ({ csr, names }: WitnessRequest) => {
    const digest = digestOf(csr);
    return held?.[certificateField(digest)] && held[namesField(digest)] === names.join(' ');
  };
  if (held?.[AUTHORITY_FIELD] === authority && requests.every(isAnswered)) return [];
  const why = held === undefined ? 'a witness has asked for one' : 'the CA or a witness is new';
  return [step('certify-witnesses', { relationId: id, label, authority, requests }, why)];
}

/** Whatever the request says: a certificate makes its owner a member, and no other than this. */
function requestOf({ request, member, address, sources }: Witness): WitnessRequest {
  return { csr: request, names: [...new Set([member, address, ...sources])] };
}

function tell({ id, app, localApp }: Relation, world: Snapshot): Decision[] {
  const members = etcdMembers(world);
  const certificates = world.relationSecrets[witnessSecret(id)]?.id;
  if (members === undefined || certificates === undefined) return [];
  const before = readMemberships(localApp);
  const memberships = witnesses(world).flatMap(({ address, member: name, peerUrl }) => {
    const now = members.find((each) => each.peerUrl === peerUrl);
    const last = now === undefined ? before[address] : { id: now.id, name };
    return last === undefined ? [] : [[address, last] as const];
  });
  const offer: WatcherOffer = {
    cluster: world.app,
    certificates,
    members,
    memberships: Object.fromEntries(memberships),
  };
  const data = offerChanges(offer, localApp);
  if (Object.keys(data).length === 0) return [];
  const args = { endpoint: WITNESS_ENDPOINT, relationId: id, scope: 'app', data } as const;
  return [step('relation-set', args, `${app} is told of etcd's members`)];
}

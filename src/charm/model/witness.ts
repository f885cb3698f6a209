/**
 * What is known of witnesses: units of another application that hold no data, and one voter of etcd
 * where the cluster has two units. Reads databags; what a witness is worth voters.ts decides.
 */
import {
  AUTHORITY_FIELD,
  readMemberships,
  readUnit,
  type WatcherUnit,
} from '../../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { etcdMembers, peerUrl } from './etcd-facts.ts';
import { internalTrust, ROTATION_FIELDS, TRUST_FACT } from './internal-ca.ts';
import { addresses, memberOfUnit, type Relation, type Snapshot } from './snapshot.ts';
import type { EtcdMember } from './world.ts';

export const WITNESS_ENDPOINT = 'watcher-offer';

export interface Witness extends WatcherUnit {
  unit: string;
  /** Its name in etcd. */
  member: string;
  peerUrl: string;
  /** It has a certificate in force, and nothing of a membership that has ended. */
  ready: boolean;
}

export function witnessRelations(world: Snapshot): Relation[] {
  return world.relations.filter(({ endpoint }) => endpoint === WITNESS_ENDPOINT);
}

/** Of relations that stay. `ready` is known to the leader only. */
export function witnesses(world: Snapshot): Witness[] {
  const own = addresses(world).map(({ address }) => address);
  const members = etcdMembers(world) ?? [];
  return witnessRelations(world)
    .filter(({ ending }) => !ending)
    .flatMap(({ localApp, units }) => {
      const given = readMemberships(localApp);
      return units.flatMap(({ name, data }): Witness[] => {
        const said = readUnit(data);
        // Beside a unit on one address it could not run, and it must be taken for none.
        if (said === undefined || own.includes(said.address)) return [];
        const last = given[said.address]?.id;
        const isFree = last === undefined || last === said.finished;
        const ready = said.trusts !== undefined && (isFree || isMember(members, last));
        const member = memberOfUnit(name);
        return [{ ...said, unit: name, member, peerUrl: peerUrl(said.address), ready }];
      });
    });
}

/** Names the secret of the relation. */
export function witnessSecret(relationId: number): string {
  return `${WITNESS_ENDPOINT}.${relationId}`;
}

/**
 * Whom witnesses shall trust: a change of the internal CA reaches them when every unit has it in
 * force, so that no voters start anew at once.
 *
 * @param held content of the secret that they have
 */
export function witnessTrust(
  world: Snapshot,
  held: Readonly<Record<string, string>> | undefined,
): string | undefined {
  // Texts come back from secrets without a newline at their end.
  const trust = internalTrust(world)?.trim();
  const before = held?.[AUTHORITY_FIELD];
  if (trust === undefined || before === undefined) return trust;
  if (world.appSecret?.content[ROTATION_FIELDS.number] === undefined) return trust;
  const { own, others, planned } = world.peers;
  const bags = new Map(others.map(({ name, data }) => [name, data]));
  bags.set(world.unit.name, own);
  const wanted = digestOf(internalTrust(world) ?? '');
  const isReady = (unit: string) => bags.get(unit)?.[TRUST_FACT] === wanted;
  return planned.every(isReady) ? trust : before;
}

/** Units of witnesses that have a certificate in force, but not the present trust. */
export function behindInTrust(world: Snapshot): string[] {
  const wanted = digestOf(internalTrust(world)?.trim() ?? '');
  return witnesses(world)
    .filter(({ trusts }) => trusts !== undefined && trusts !== wanted)
    .map(({ unit }) => unit);
}

/** The one that is a member of etcd; with several, one that votes. */
export function seatedWitness(
  world: Snapshot,
): { witness: Witness; member: EtcdMember } | undefined {
  const members = etcdMembers(world) ?? [];
  const seated = witnesses(world).flatMap((witness) => {
    const member = members.find((each) => each.peerUrl === witness.peerUrl);
    return member === undefined ? [] : [{ witness, member }];
  });
  return seated.find(({ member }) => !member.learner) ?? seated[0];
}

function isMember(members: readonly EtcdMember[], id: string | undefined): boolean {
  return members.some((member) => member.id === id);
}

/** A request, and the names that its certificate shall say, the common name first. */
export interface WitnessRequest {
  csr: string;
  names: string[];
}

/** Field of the relation's secret: for which names a request was answered. */
export const namesField = (requestDigest: string): string => `names-${requestDigest}`;

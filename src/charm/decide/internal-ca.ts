/**
 * A change of the internal CA, from the trust in both to the end of the old one. etcd reads whom to
 * trust only when it starts: its voters start anew one after the other, each only while all answer.
 * A unit that is away holds up the end of a change, and nothing else.
 */
import { digestOf } from '../../../lib/std/digest.ts';
import { restFiles } from '../model/certificates.ts';
import {
  internalChain,
  internalCopy,
  internalDigest,
  internalTrust,
  ROTATION_FIELDS,
  TRUST_FACT,
} from '../model/internal-ca.ts';
import { memberOfUnit, probe, type Snapshot } from '../model/snapshot.ts';
import { type Decider, type Decision, maintenance, step } from '../model/steps.ts';
import { behindInTrust } from '../model/witness.ts';
import { fileStep } from './file.ts';

export const internalCa: Decider = (world) => {
  const content = world.appSecret?.content ?? {};
  const trust = internalTrust(world);
  // Nothing of this is anybody's business before the first change.
  if (content[ROTATION_FIELDS.number] === undefined || trust === undefined) return [];
  const wanted = digestOf(trust);
  return [
    ...copy(world),
    ...announce(world, wanted),
    ...restartEtcd(world, wanted),
    ...tell(world, wanted),
    ...(content[ROTATION_FIELDS.previous] === undefined ? [] : retire(world, wanted)),
  ];
};

/** Before Patroni's configuration names it, which is decided after this. */
function copy(world: Snapshot): Decision[] {
  const files = internalCopy(world);
  if (files === undefined || !world.certificate?.trusted) return [];
  const why = 'Patroni shows the certificate under another name';
  return [
    ...fileStep(world, { ...files.key, owner: 'servers' }, why),
    ...fileStep(world, { ...files.cert, owner: 'servers', mode: 0o644 }, why),
  ];
}

/** Every program of this unit trusts and shows what it should by now. */
function isInForce(world: Snapshot, wanted: string): boolean {
  const { layout, files, services, certificate } = world;
  const digest = internalDigest(world) ?? '';
  if (!certificate?.trusted || files[layout.tls.ca] !== internalTrust(world)) return false;
  if (files[layout.tls.cert] !== internalChain(world)) return false;
  const reads = (name: 'patroni' | 'pgbackrest', path: string, named: string) => {
    const { running, loaded } = services[name] ?? {};
    const text = files[path] ?? '';
    return !running || (text.includes(named) && loaded === digestOf(text));
  };
  return (
    reads('patroni', layout.patroniConfig, restFiles(world).cert) &&
    reads('pgbackrest', layout.pgbackrestConfig, digest) &&
    (!services['etcd']?.running || services['etcd'].loaded === wanted)
  );
}

/** Others hear of a change of the secret only by the databag. */
function announce({ unit, peers }: Snapshot, wanted: string): Decision[] {
  if (!unit.isLeader || peers.app[TRUST_FACT] === wanted) return [];
  const data = { [TRUST_FACT]: wanted };
  return [step('peer-set', { scope: 'app', data }, 'the internal CA has changed')];
}

function tell(world: Snapshot, wanted: string): Decision[] {
  const { own } = world.peers;
  if (own[TRUST_FACT] === wanted || !isInForce(world, wanted)) return [];
  const data = { [TRUST_FACT]: wanted };
  return [step('peer-set', { scope: 'unit', data }, 'this unit trusts whom it should')];
}

function restartEtcd(world: Snapshot, wanted: string): Decision[] {
  const service = world.services['etcd'];
  if (!service?.running || service.loaded === wanted) return [];
  if (world.files[world.layout.tls.ca] !== internalTrust(world)) return [];
  if (!mayRestart(world, wanted)) return [];
  const why = 'it reads whom to trust only when it starts';
  return [step('restart-service', { name: 'etcd', signal: 'SIGTERM' }, why)];
}

/** In the order of units, so that no two are away at once. */
function mayRestart(world: Snapshot, wanted: string): boolean {
  const etcd = probe(world, 'etcd');
  if (!etcd.known || etcd.value.leader === undefined) return false;
  if (!etcd.value.members.every(({ healthy, learner }) => healthy && !learner)) return false;
  const earlier = world.peers.others.filter(
    ({ name }) =>
      numberOf(name) < world.unit.number &&
      etcd.value.members.some((member) => member.name === memberOfUnit(name)),
  );
  return earlier.every(({ data }) => data[TRUST_FACT] === wanted);
}

/** The leader ends the change when every unit that stays has said that it is ready. */
function retire(world: Snapshot, wanted: string): Decision[] {
  const { unit, peers } = world;
  if (!unit.isLeader) return [];
  const ready = (name: string) =>
    name === unit.name
      ? peers.own[TRUST_FACT] === wanted
      : peers.others.find((each) => each.name === name)?.data[TRUST_FACT] === wanted;
  const waitingFor = [...peers.planned.filter((name) => !ready(name)), ...behindInTrust(world)];
  if (waitingFor.length > 0) {
    const units = waitingFor.join(', ');
    return [maintenance('ca-changing', `changing the internal CA: waiting for ${units}`)];
  }
  return [step('retire-internal-ca', {}, 'every unit trusts the present one')];
}

function numberOf(unit: string): number {
  return Number(unit.slice(unit.lastIndexOf('/') + 1));
}

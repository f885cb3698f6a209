/**
 * What the leader owes a witness, and what it makes of one: certificates that are no more than the
 * leader says, the word on etcd's members, its place in the status and in a change of the CA.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AUTHORITY_FIELD,
  certificateField,
  readOffer,
  unitChanges,
} from '../../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { type FakeState, fakeEvent, fakeState } from '../../../lib/testing/fake-hooks.ts';
import { createAuthority } from '../../../lib/x509/authority.ts';
import { isIssuedBy, keyFits, viewCertificate } from '../../../lib/x509/inspect.ts';
import { createRequest } from '../../../lib/x509/request.ts';
import type { Tools } from '../../../src/charm/apply/tools.ts';
import { witnessSteps } from '../../../src/charm/apply/witness.ts';
import { status } from '../../../src/charm/decide/status.ts';
import { voters } from '../../../src/charm/decide/voters.ts';
import { witness } from '../../../src/charm/decide/witness.ts';
import { peerUrl } from '../../../src/charm/model/etcd-facts.ts';
import { ROTATION_FIELDS, TRUST_FACT } from '../../../src/charm/model/internal-ca.ts';
import type { Relation, Snapshot } from '../../../src/charm/model/snapshot.ts';
import type { Decision, Steps } from '../../../src/charm/model/steps.ts';
import { behindInTrust, witnessTrust } from '../../../src/charm/model/witness.ts';
import { type EtcdMember, known } from '../../../src/charm/model/world.ts';
import { UnitWorld } from '../../support/world.ts';

const ADDRESS = '10.0.0.30';
const PEM = 'CERTIFICATE REQUEST';
const REQUEST = `-----BEGIN ${PEM}-----\nAAAA\n-----END ${PEM}-----`;
const CA = 'secret of internal-ca';
const LABEL = 'watcher-offer.7';
const said = (change: { trusts?: string; finished?: string; address?: string } = {}) => ({
  ...(unitChanges(
    {
      ...{ address: ADDRESS, zone: undefined, request: REQUEST },
      ...{ trusts: undefined, finished: undefined, ...change },
    },
    {},
  ) as Record<string, string>),
  'egress-subnets': '127.0.0.1/32',
});

const relation = (data: Record<string, string>, change: Partial<Relation> = {}): Relation => ({
  ...{ endpoint: 'watcher-offer', id: 7, app: 'witness', ending: false },
  ...{ localApp: {}, localUnit: {}, remoteApp: {}, units: [{ name: 'witness/0', data }] },
  ...change,
});

const unitVoter = (number: number): EtcdMember => ({
  id: `${number + 1}`,
  name: `postgresql-${number}`,
  peerUrl: peerUrl(`10.0.0.1${number}`),
  ...{ learner: false, healthy: true, silentMs: 0, inSync: true },
});
const voter = (change: Partial<EtcdMember> = {}): EtcdMember => ({
  ...unitVoter(0),
  ...{ id: 'b2', name: 'witness-0', peerUrl: peerUrl(ADDRESS) },
  ...change,
});

/** The leader of two units, the first of which is the primary, with a witness. */
async function leader(related: Relation, beside: EtcdMember[] = []): Promise<Snapshot> {
  const world = new UnitWorld();
  world.planned = ['postgresql/0', 'postgresql/1'];
  world.others = [{ name: 'postgresql/1', data: { ip: '10.0.0.11' }, dying: false }];
  await world.settle();
  const snapshot = world.snapshot();
  assert.ok(snapshot.agent.known);
  const { etcd } = snapshot.agent.value;
  assert.ok(etcd.known);
  const members = [...etcd.value.members, ...beside];
  const peers = { 'postgresql/1': known({ generation: 1 }) };
  const value = { ...snapshot.agent.value, peers, etcd: known({ ...etcd.value, members }) };
  return { ...snapshot, relations: [related], agent: known(value) };
}

const withSecret = (world: Snapshot, content: Record<string, string>): Snapshot => ({
  ...world,
  relationSecrets: { [LABEL]: { id: 'secret:w', content } },
});
const CERTIFIED = {
  [AUTHORITY_FIELD]: CA,
  [certificateField(digestOf(REQUEST))]: 'certificate',
  [`names-${digestOf(REQUEST)}`]: `witness-0 ${ADDRESS} 127.0.0.1`,
};

function argsOf<K extends keyof Steps>(decisions: Decision[], kind: K): Steps[K] | undefined {
  const found = decisions.find((each) => each.type === 'step' && each.kind === kind);
  return found === undefined ? undefined : ((found as { args: unknown }).args as Steps[K]);
}

describe('a witness', () => {
  test('is certified as itself, whatever it asks for', async () => {
    const world = await leader(relation(said()));
    const wish = argsOf(witness(world), 'certify-witnesses');
    assert.equal(wish?.authority, CA);
    assert.deepEqual(wish?.requests, [
      { csr: REQUEST, names: ['witness-0', ADDRESS, '127.0.0.1'] },
    ]);
    const done = withSecret(world, CERTIFIED);
    assert.equal(argsOf(witness(done), 'certify-witnesses'), undefined);
    const elsewhere = { ...CERTIFIED, [`names-${digestOf(REQUEST)}`]: 'witness-0 10.0.0.31' };
    assert.ok(argsOf(witness(withSecret(world, elsewhere)), 'certify-witnesses'));
  });

  test('that claims the address of a unit is none', async () => {
    const world = await leader(relation(said({ address: '10.0.0.11' })));
    assert.deepEqual(witness(world), []);
  });

  test('is told of the members, and of the last membership of its address', async () => {
    const world = withSecret(await leader(relation(said()), [voter({ name: '' })]), CERTIFIED);
    const told = argsOf(witness(world), 'relation-set')?.data as Record<string, string>;
    const offer = readOffer(told);
    assert.equal(offer?.certificates, 'secret:w');
    assert.deepEqual(
      offer?.members.map(({ id }) => id),
      ['1', 'b2'],
    );
    assert.deepEqual(offer?.memberships, { [ADDRESS]: { id: 'b2', name: 'witness-0' } });
    const after = await leader(relation(said(), { localApp: told }));
    const later = argsOf(witness(withSecret(after, CERTIFIED)), 'relation-set');
    // It is none any more; which membership it was stays, until it has said that it is over.
    assert.deepEqual(Object.keys(later?.data ?? {}), ['etcd-members']);
    const last = { ...told, ...later?.data } as Record<string, string>;
    const whole = withSecret(await leader(relation(said(), { localApp: last })), CERTIFIED);
    assert.deepEqual(witness(whole), []);
  });

  test('is the concern of the leader alone, and its secret goes with it', async () => {
    const world = withSecret(await leader(relation(said())), CERTIFIED);
    assert.deepEqual(witness({ ...world, unit: { ...world.unit, isLeader: false } }), []);
    const ended = withSecret(await leader(relation(said(), { ending: true })), CERTIFIED);
    assert.deepEqual(argsOf(witness(ended), 'remove-secret'), { label: LABEL });
  });

  test('votes when it is prepared, again only when it has given up what has ended', async () => {
    const prepared = said({ trusts: digestOf(CA) });
    const ended = { 'etcd-memberships': `{"${ADDRESS}":{"id":"b2","name":"witness-0"}}` };
    const next = async (data: Record<string, string>, localApp = {}) =>
      argsOf(voters(await leader(relation(data, { localApp }))), 'add-learner')?.member;
    assert.equal(await next(said()), undefined);
    assert.equal(await next(prepared), 'witness-0');
    assert.equal(await next(prepared, ended), undefined);
    assert.equal(await next({ ...prepared, 'finished-membership': 'b2' }, ended), 'witness-0');
  });

  test('stands in the status of the primary', async () => {
    const third = voter({ id: 'c3', name: 'postgresql-1', peerUrl: 'https://10.0.0.11:2380' });
    const message = async (change?: Partial<EtcdMember>, zone?: string, others = [third]) => {
      const data = { ...said(), ...(zone === undefined ? {} : { 'unit-az': zone }) };
      const world = await leader(
        relation(data),
        change === undefined ? [] : [voter(change), ...others],
      );
      const [first] = status({ ...world, unit: { ...world.unit, zone: 'a' } });
      return first?.type === 'finding' ? first.message : '';
    };
    assert.match(await message(), /^Primary.*; no witness votes$/);
    assert.match(await message({}), /; witness\/0 votes$/);
    assert.match(await message({}, 'b', []), /; witness\/0 votes, a third voter is about to$/);
    assert.match(await message({}, 'b'), /; witness\/0 votes$/);
    assert.match(await message({}, 'a'), /; witness\/0 votes, in the zone of postgresql\/0$/);
    assert.match(await message({ learner: true }), /; witness\/0 is about to vote$/);
    assert.match(await message({ healthy: false }), /; witness\/0 does not answer$/);
    const alone = { ...(await leader(relation(said()))), relations: [] };
    assert.doesNotMatch(JSON.stringify(status(alone)), /witness/);
    assert.deepEqual(argsOf(voters(alone), 'add-learner'), undefined);
  });

  test('hears of another CA after the units, and holds up the end of the change', async () => {
    const world = await leader(relation(said({ trusts: digestOf(CA) })));
    const appSecret = {
      id: 'secret:1',
      content: {
        ...world.appSecret?.content,
        'internal-ca': 'CA 2',
        [ROTATION_FIELDS.previous]: CA,
        [ROTATION_FIELDS.number]: '2',
      },
    };
    const changing = { ...world, appSecret };
    const both = `CA 2\n${CA}`;
    assert.equal(witnessTrust(changing, CERTIFIED), CA);
    assert.deepEqual(behindInTrust(changing), ['witness/0']);
    const fact = { [TRUST_FACT]: digestOf(`${both}\n`) };
    const others = changing.peers.others.map((each) => ({ ...each, data: fact }));
    const peers = { ...changing.peers, own: fact, others };
    assert.equal(witnessTrust({ ...changing, peers }, CERTIFIED), both);
    const [related] = world.relations;
    assert.ok(related);
    const now = {
      ...related,
      units: [{ name: 'witness/0', data: said({ trusts: digestOf(both) }) }],
    };
    assert.deepEqual(behindInTrust({ ...changing, relations: [now] }), []);
  });
});

describe('certify-witnesses', () => {
  const validity = { days: 10, random: systemRandom };
  const contentOf = (state: FakeState) =>
    Object.values(state.secrets).find(({ label }) => label === LABEL)?.content ?? {};

  test('signs for the key of the witness, under names that only the leader chooses', async () => {
    const [authority, asked] = await Promise.all([
      createAuthority('internal', validity),
      createRequest({ commonName: 'postgresql-0', names: ['10.0.0.10', 'postgresql-0'] }),
    ]);
    const state = fakeState({
      unit: 'postgresql/0',
      relations: [{ endpoint: 'watcher-offer', id: 7, app: 'witness', bags: {} }],
    });
    const content = { 'internal-ca': authority.certificate, 'internal-ca-key': authority.key };
    await fakeEvent(state, { name: 'config-changed' }, async ({ hooks, context }) => {
      const snapshot = new UnitWorld().snapshot();
      const world = () => ({ ...snapshot, appSecret: { id: 'secret:1', content } });
      const tools = { hooks, context, random: systemRandom, world } as unknown as Tools;
      const requests = [{ csr: asked.csr, names: ['witness-0', ADDRESS] }];
      const args = { relationId: 7, label: LABEL, authority: 'whom to trust', requests };
      await witnessSteps['certify-witnesses'].apply(args, tools);
    });
    const certificate = contentOf(state)[certificateField(digestOf(asked.csr))] ?? '';
    assert.ok(keyFits(certificate, asked.key));
    assert.ok(isIssuedBy(certificate, authority.certificate));
    const view = viewCertificate(certificate);
    assert.equal(view?.commonName, 'witness-0');
    assert.deepEqual([...new Set(view?.names)].sort(), [ADDRESS, 'witness-0']);
    assert.equal(contentOf(state)[AUTHORITY_FIELD], 'whom to trust');
    assert.doesNotMatch(JSON.stringify(state.relations), /PRIVATE KEY/);
    assert.doesNotMatch(JSON.stringify(contentOf(state)), /PRIVATE KEY/);
  });
});

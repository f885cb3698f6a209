/** The witness charm's decider against a small model of what its steps do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../charms/witness/src/decide.ts';
import type { Relation, Steps, World } from '../../charms/witness/src/world.ts';
import { isStep, type Step, statusOf } from '../../lib/charm/decision.ts';
import type { WatcherOffer } from '../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../lib/std/digest.ts';
import { WITNESS_ADDRESS as ADDRESS, aWitness } from '../support/witness-world.ts';
import { afterWorkload } from '../support/workload.ts';

const answer = { authority: 'CA', certificate: 'certificate' };
const founder = {
  id: 'a1',
  name: 'postgresql-0',
  peerUrl: 'https://10.0.0.1:2380',
  learner: false,
};
const self = { id: 'b2', name: '', peerUrl: `https://${ADDRESS}:2380`, learner: true };
const given = { [ADDRESS]: { id: 'b2', name: 'witness-0' } };

const offerOf = (change: Partial<WatcherOffer> = {}): WatcherOffer => ({
  cluster: 'postgresql',
  certificates: 'secret:1',
  members: [founder],
  memberships: {},
  ...change,
});

const related = (offer: WatcherOffer | undefined, change: Partial<Relation> = {}): Relation => ({
  id: 3,
  app: 'postgresql',
  ending: false,
  local: {},
  offer,
  ...change,
});

/** A machine without etcd, whose connections come from elsewhere. */
const bare = { missingPackages: ['etcd-server'], sources: ['127.0.0.1'] };

/** What the world is after a step: the least that `apply` promises. */
function after(world: World, step: Step<Steps>): World {
  const shared = afterWorkload(world, step);
  if (shared !== undefined) {
    const starts = step.kind === 'start-service' && world.config !== undefined;
    return { ...world, ...shared, hasData: world.hasData || starts };
  }
  const { etcd } = world.services;
  switch (step.kind) {
    case 'make-request':
      return {
        ...world,
        request: { csr: 'CSR', names: (step.args as Steps['make-request']).names },
      };
    case 'write-certificate':
      return { ...world, held: (step.args as Steps['write-certificate']).answer };
    case 'write-config':
      return { ...world, config: (step.args as Steps['write-config']).config.reveal() };
    case 'let-end':
      return etcd ? { ...world, services: { etcd: { ...etcd, wantedUp: false } } } : world;
    case 'restart-etcd':
      return { ...world, loadedAuthority: undefined };
    case 'remove-data':
      return { ...world, config: undefined, hasData: false };
    case 'remove-certificate':
      return { ...world, request: undefined, held: undefined };
    case 'tell': {
      const { endpoint, data } = step.args as Steps['tell'];
      if (endpoint === 'cos-agent') {
        const told = world.metrics.map(({ id }) => ({ id, local: data as Record<string, string> }));
        return { ...world, metrics: told };
      }
      const local = { ...world.relation?.local, ...data } as Record<string, string>;
      return { ...world, relation: world.relation && { ...world.relation, local } };
    }
    default:
      return world;
  }
}

function settle(start: World, dieAfter = Number.POSITIVE_INFINITY) {
  let world = start;
  const kinds: string[] = [];
  for (let round = 0; round < 6; round++) {
    for (const step of decide(world).filter(isStep)) {
      if (kinds.length >= dieAfter) return { world, kinds };
      kinds.push(step.kind);
      world = after(world, step);
    }
  }
  assert.deepEqual(decide(world).filter(isStep), []);
  return { world, kinds };
}

const status = (world: World) =>
  statusOf(decide(world).flatMap((each) => (isStep(each) ? [] : [each]))).message;
const local = (world: World) => world.relation?.local ?? {};
const hear = (world: World, offer: WatcherOffer): World => ({
  ...world,
  relation: related(offer, { local: local(world) }),
});

/** Certified and prepared, with no membership. */
const asking = settle(aWitness({ ...bare, relation: related(undefined) })).world;
const prepared = settle({ ...hear(asking, offerOf()), answer }).world;
const joining = offerOf({ members: [founder, self], memberships: given });
const member = settle(hear(prepared, joining)).world;

describe('witness', () => {
  test('asks for a certificate with a key of its own, and waits', () => {
    assert.partialDeepStrictEqual(local(asking), { 'unit-address': ADDRESS, csr: 'CSR' });
    assert.equal(local(asking)['trusted-ca'], undefined);
    assert.deepEqual(asking.request?.names, [ADDRESS, '127.0.0.1']);
    assert.match(status(asking), /waiting for a certificate/);
    assert.deepEqual(asking.services, {});
  });

  test('says that it is prepared, and runs nothing before it is a member', () => {
    assert.equal(local(prepared)['trusted-ca'], digestOf('CA'));
    assert.deepEqual(prepared.services, {});
    assert.equal(status(prepared), 'postgresql needs no vote of it');
  });

  test('joins as what the cluster calls it, among the members that have started', () => {
    const config = JSON.parse(member.config ?? '');
    assert.equal(config.name, 'witness-0');
    assert.equal(
      config['initial-cluster'],
      `postgresql-0=https://10.0.0.1:2380,witness-0=https://${ADDRESS}:2380`,
    );
    assert.equal(config['client-transport-security']['client-cert-auth'], true);
    assert.equal(member.services['etcd']?.spec?.user, 'etcd');
    assert.equal(status(member), 'about to vote in postgresql');
    const votes = { ...self, name: 'witness-0', learner: false };
    const told = hear(member, offerOf({ members: [founder, votes], memberships: given }));
    assert.equal(status(told), 'votes in postgresql');
    assert.deepEqual(decide(told).filter(isStep), []);
  });

  test('a hook that dies after any step is finished by the next', () => {
    const start = { ...hear(asking, joining), answer };
    const whole = settle(start);
    for (let dieAfter = 0; dieAfter < whole.kinds.length; dieAfter++) {
      assert.deepEqual(settle(settle(start, dieAfter).world).world, whole.world);
    }
  });

  test('counted out it gives everything up and says so; only then it can be taken again', () => {
    const out = settle(hear(member, offerOf({ memberships: given }))).world;
    assert.equal(out.hasData, false);
    assert.equal(out.services['etcd']?.wantedUp, false);
    assert.equal(local(out)['finished-membership'], 'b2');
    const again = { ...self, id: 'c3' };
    const memberships = { [ADDRESS]: { id: 'c3', name: 'witness-0' } };
    const back = settle(hear(out, offerOf({ members: [founder, again], memberships }))).world;
    assert.match(back.config ?? '', /postgresql c3/);
    assert.equal(local(back)['finished-membership'], 'b2');
  });

  test('data of an earlier membership go before it joins anew', () => {
    const memberships = { [ADDRESS]: { id: 'c3', name: 'witness-0' } };
    const offer = offerOf({ members: [founder, { ...self, id: 'c3' }], memberships });
    const { world, kinds } = settle(hear(member, offer));
    assert.deepEqual(kinds.slice(0, 3), ['stop-service', 'remove-data', 'write-config']);
    assert.match(world.config ?? '', /postgresql c3/);
  });

  test('members that change before it has started are taken over; later the file stays', () => {
    const third = { ...founder, id: 'a3', name: 'postgresql-1', peerUrl: 'https://10.0.0.2:2380' };
    const now = hear(member, offerOf({ members: [founder, third, self], memberships: given }));
    assert.deepEqual(decide(now).filter(isStep), []);
    const { kinds } = settle({ ...now, hasData: false });
    assert.deepEqual(kinds, ['write-config']);
  });

  test('another CA: in force, etcd started anew, told', () => {
    const newer = { authority: 'CA 2', certificate: 'certificate 2' };
    const { world, kinds } = settle({ ...member, loadedAuthority: 'CA', answer: newer });
    assert.deepEqual(kinds, ['write-certificate', 'restart-etcd', 'tell']);
    assert.equal(local(world)['trusted-ca'], digestOf('CA 2'));
  });

  test('another address: another request, while the certificate in force stays', () => {
    const moved = decide({ ...member, address: '10.0.0.8' }).filter(isStep);
    assert.deepEqual(moved.map(({ kind }) => kind).slice(0, 1), ['make-request']);
  });

  test('without the relation it counts until the cluster has taken it out', () => {
    const ended = { ...member, relation: related(joining, { ending: true }), counts: true };
    const lingering = settle(ended);
    assert.deepEqual(lingering.kinds, ['let-end']);
    assert.equal(lingering.world.hasData, true);
    assert.match(status(lingering.world), /waiting for the cluster to take its voter out/);
    const out = settle({ ...lingering.world, relation: undefined, counts: false });
    assert.equal(out.world.hasData, false);
    assert.equal(out.world.held, undefined);
    assert.match(status(out.world), /integrate it with postgresql:watcher-offer/);
  });

  test('a unit that ends waits for that, and a dead cluster is not waited for', () => {
    const kinds = (world: World) => decide(world).map((each) => isStep(each) && each.kind);
    const ending = { ...member, relation: undefined, ending: 'stop' } as const;
    assert.deepEqual(kinds({ ...ending, counts: true }), ['await-removal', 'stop-service']);
    assert.deepEqual(kinds(ending), ['stop-service']);
    assert.deepEqual(kinds({ ...ending, ending: 'remove' }), ['remove-workload']);
  });

  test('tells what to scrape while it runs', () => {
    const told = settle({ ...member, metrics: [{ id: 5, local: {} }] }).world;
    assert.match(told.metrics[0]?.local['config'] ?? '', new RegExp(`${ADDRESS}:2381`));
  });
});

/** Where the pooler leads: when it follows a new primary, which replicas read, what stays. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decideRoute,
  NO_ROUTE,
  nearest,
  type RoutingInput,
  TRUST_PATRONI_MS,
} from '../../../src/agent/decide/routing.ts';
import type { Desired } from '../../../src/charm/model/desired.ts';
import { type ClusterMember, known, unknown } from '../../../src/charm/model/world.ts';
import { aMember, clusterOf, someMembers } from './cluster.ts';

const READER_OUT_BYTES = 64 * 1024 * 1024;
const READER_IN_BYTES = READER_OUT_BYTES / 4;
const members = [
  aMember('a', { role: 'primary' }),
  aMember('b', { streaming: true, lagBytes: 0 }),
  aMember('c', { streaming: true, lagBytes: 0 }),
];
const input = (change: Partial<RoutingInput> = {}): RoutingInput => ({
  now: NO_ROUTE,
  cluster: known(clusterOf(members)),
  confirmed: 'addr-a',
  unconfirmedMs: 0,
  replicationKnown: true,
  readerLagBytes: READER_OUT_BYTES,
  ...change,
});

describe('the primary', () => {
  test('is routed to when our own connection has found it out of recovery', () => {
    assert.deepEqual(decideRoute(input()), { primary: 'addr-a', readers: ['addr-b', 'addr-c'] });
  });

  test('is not yet, while it may still be in recovery; clients wait in their pools', () => {
    const now = { primary: 'addr-b', readers: [] };
    const early = input({ now, confirmed: 'addr-b', unconfirmedMs: TRUST_PATRONI_MS - 1 });
    assert.equal(decideRoute(early).primary, 'addr-b');
    const later = input({ now, confirmed: undefined, unconfirmedMs: TRUST_PATRONI_MS });
    assert.equal(decideRoute(later).primary, 'addr-a');
  });

  test('stays when nothing is known, or nobody leads', () => {
    const now = { primary: 'addr-z', readers: ['addr-b'] };
    assert.deepEqual(decideRoute(input({ now, cluster: unknown('silent') })), now);
    const headless = known(clusterOf(members.slice(1)));
    assert.equal(decideRoute(input({ now, cluster: headless })).primary, 'addr-z');
  });
});

describe('readers', () => {
  const withLag = (lagBytes: number, readers: string[]) => {
    const lagging = members.map((each) => (each.name === 'c' ? { ...each, lagBytes } : each));
    const now = { primary: 'addr-a', readers };
    return decideRoute(input({ now, cluster: known(clusterOf(lagging)) })).readers;
  };

  test('come in below one limit and go out above another', () => {
    assert.deepEqual(withLag(READER_IN_BYTES, []), ['addr-b', 'addr-c']);
    assert.deepEqual(withLag(READER_IN_BYTES + 1, []), ['addr-b']);
    assert.deepEqual(withLag(READER_IN_BYTES + 1, ['addr-c']), ['addr-b', 'addr-c']);
    assert.deepEqual(withLag(READER_OUT_BYTES + 1, ['addr-c']), ['addr-b']);
  });

  test('are not those that Patroni is told to send no load to', () => {
    const tagged = members.map((each) =>
      each.name === 'c' ? { ...each, tags: { noloadbalance: true } } : each,
    );
    const now = { primary: 'addr-a', readers: ['addr-b', 'addr-c'] };
    const { readers } = decideRoute(input({ now, cluster: known(clusterOf(tagged)) }));
    assert.deepEqual(readers, ['addr-b']);
  });

  test('must stream; while nobody can say so, those that read go on', () => {
    const still = known(clusterOf(members.map((each) => ({ ...each, streaming: false }))));
    const now = { primary: 'addr-a', readers: ['addr-b'] };
    assert.deepEqual(decideRoute(input({ now, cluster: still })).readers, []);
    const blind = input({ now, cluster: still, replicationKnown: false });
    assert.deepEqual(decideRoute(blind).readers, ['addr-b']);
  });
});

describe('of the readers', () => {
  const unit = { name: 'pg/0' } as Desired['unit'];
  const place = (...zones: (string | undefined)[]) => ({
    unit,
    members: zones.map((zone, n) => ({
      unit: `pg/${n}`,
      member: `pg-${n}`,
      address: `addr-${n}`,
      ...(zone === undefined ? {} : { zone }),
    })),
  });
  const readers = ['addr-1', 'addr-2'];

  test('those of the own zone come first', () => {
    assert.deepEqual(nearest(readers, place('a', 'b', 'a')), ['addr-2']);
    assert.deepEqual(nearest(readers, place('a', 'a', 'a')), readers);
  });

  test('all serve where that zone has none, or nobody knows it', () => {
    assert.deepEqual(nearest(readers, place('a', 'b', 'c')), readers);
    assert.deepEqual(nearest(readers, place(undefined, 'b', undefined)), readers);
    assert.deepEqual(nearest([], place('a', 'a')), []);
  });
});

test('for any cluster: the primary never reads, and deciding again changes nothing', () => {
  fc.assert(
    fc.property(someMembers, fc.boolean(), fc.boolean(), (some: ClusterMember[], sure, sees) => {
      const leader = some.find(({ role }) => role === 'primary');
      const situation = input({
        now: { primary: 'addr-0', readers: ['addr-1', 'addr-2'] },
        cluster: known(clusterOf(some)),
        confirmed: sure ? leader?.address : undefined,
        replicationKnown: sees,
      });
      const route = decideRoute(situation);
      assert.ok(route.primary === undefined || !route.readers.includes(route.primary));
      assert.deepEqual(decideRoute({ ...situation, now: route }), route);
    }),
  );
});

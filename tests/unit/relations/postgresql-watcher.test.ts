/** The `postgresql_watcher` interface: round trips of both sides, and what nobody may say. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  offerChanges,
  readOffer,
  readUnit,
  unitChanges,
  type WatcherOffer,
} from '../../../lib/relations/postgresql-watcher.ts';

const PEM = 'CERTIFICATE REQUEST';
const request = `-----BEGIN ${PEM}-----\nAAAA\n-----END ${PEM}-----`;
const member = { id: 'a1', name: 'postgresql-0', peerUrl: 'https://10.0.0.1:2380', learner: false };
const offer: WatcherOffer = {
  cluster: 'postgresql',
  certificates: 'secret:1',
  members: [member, { ...member, id: 'b2', name: '', learner: true }],
  memberships: { '10.0.0.9': { id: 'b2', name: 'witness-0' } },
};
const unit = {
  address: '10.0.0.9',
  zone: 'c',
  request,
  trusts: 'digest',
  finished: 'b1',
};

describe('postgresql_watcher', () => {
  test('what the cluster offers comes back as it was', () => {
    const bag = offerChanges(offer, {}) as Record<string, string>;
    assert.deepEqual(readOffer(bag), offer);
    assert.deepEqual(offerChanges(offer, bag), {});
    assert.equal(bag['cluster-name'], 'postgresql');
  });

  test('what a witness says comes back with where its connections come from', () => {
    const bag = unitChanges(unit, {}) as Record<string, string>;
    const read = readUnit({ ...bag, 'egress-subnets': '127.0.0.1/32,10.0.0.0/24' });
    assert.deepEqual(read, { ...unit, sources: ['127.0.0.1'] });
    assert.deepEqual(unitChanges(unit, bag), {});
    assert.equal(bag['unit-address'], '10.0.0.9');
    assert.equal(bag['unit-az'], 'c');
  });

  test('a fact that is not one any more is taken back', () => {
    const bag = unitChanges(unit, {}) as Record<string, string>;
    const now = unitChanges({ ...unit, finished: undefined }, bag);
    assert.deepEqual(now, { 'finished-membership': undefined });
  });

  test('nothing that could become part of a configuration or a certificate passes unread', () => {
    const bag = unitChanges(unit, {}) as Record<string, string>;
    for (const change of [
      { 'unit-address': '10.0.0.0/24' },
      { 'unit-address': 'witness.example' },
      { 'unit-address': '10.0.0.9,evil=https://1' },
      { csr: 'no request' },
      { csr: `${request}\n${request}` },
    ]) {
      assert.equal(readUnit({ ...bag, ...change }), undefined, JSON.stringify(change));
    }
    assert.equal(readUnit({ ...bag, 'finished-membership': 'x y' })?.finished, undefined);
  });

  test('members and memberships that are none are left out, whatever the text is', () => {
    const bag = offerChanges(offer, {}) as Record<string, string>;
    const bad = [
      { ...member, peerUrl: 'http://10.0.0.1:2380' },
      { ...member, peerUrl: 'https://10.0.0.1:2380,x=https://y' },
      { ...member, name: 'a=b' },
      { ...member, id: 7 },
      null,
    ];
    const text = JSON.stringify([...bad, member]);
    assert.deepEqual(readOffer({ ...bag, 'etcd-members': text })?.members, [member]);
    for (const nonsense of ['', '{', '7', 'null', '[1]', '{"10.0.0.9":null}', '{"a":{"id":"Z"}}']) {
      const read = readOffer({ ...bag, 'etcd-members': nonsense, 'etcd-memberships': nonsense });
      assert.deepEqual({ ...read?.memberships }, {}, nonsense);
      assert.deepEqual(read?.members, [], nonsense);
    }
    assert.equal(readOffer({ ...bag, 'certificate-secret-id': '' }), undefined);
  });
});

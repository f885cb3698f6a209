/** The etcd adapter against real members with mutual TLS: membership, keys, leases, watches. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { poll } from '../../lib/std/clock.ts';
import { etcdSteps } from '../../src/charm/apply/etcd.ts';
import type { Tools } from '../../src/charm/apply/tools.ts';
import { createEtcd } from '../../src/charm/workload/etcd.ts';
import type { EtcdPort } from '../../src/charm/workload/ports.ts';
import { DatabaseCluster } from '../support/database-cluster.ts';
import { joining } from '../support/world.ts';

async function hasLeader(etcd: EtcdPort, clientUrl: string): Promise<true | undefined> {
  const status = await etcd.status(clientUrl).catch(() => undefined);
  return status?.leaderId === undefined ? undefined : true;
}

describe('etcd', () => {
  let cluster: DatabaseCluster;
  let etcd: EtcdPort;
  const url = (index: number, port: number) =>
    `https://${cluster.at(index).member.address}:${port}`;

  /** A step of the charm, on a unit whose databag names the first member. */
  const changeVoters = async (kind: 'promote-learner' | 'remove-voter', id: string) => {
    const unit = joining();
    unit.committed.app['etcd-endpoints'] = url(0, 2379);
    const seen = unit.snapshot();
    const world = () => ({ ...seen, layout: { ...seen.layout, tls: cluster.at(0).tls } });
    await etcdSteps[kind].apply({ member: 'postgresql-1', id }, { world } as unknown as Tools);
  };
  const promote = (id: string) => changeVoters('promote-learner', id);

  before(async () => {
    cluster = await DatabaseCluster.create(2);
    cluster.startEtcd(1);
    // The second endpoint does not answer yet: calls must go past it.
    const endpoints = [url(1, 2379), url(0, 2379)];
    etcd = createEtcd({ endpoints, tls: cluster.at(0).tls });
    const up = await poll(
      () =>
        etcd.get('x').then(
          () => true,
          () => undefined,
        ),
      {
        timeoutMs: 60_000,
      },
    );
    assert.equal(up, true, 'etcd answers');
  });
  after(async () => {
    etcd?.close();
    await cluster?.destroy();
  });

  test('a value is written, read with its revision, listed by prefix, deleted', async () => {
    await etcd.put('/t/a', 'ä1');
    await etcd.put('/t/b', '2');
    await etcd.put('/tt', 'other');
    const a = await etcd.get('/t/a');
    assert.equal(a?.value, 'ä1');
    assert.deepEqual(
      (await etcd.range('/t/')).map(({ key, value }) => [key, value]),
      [
        ['/t/a', 'ä1'],
        ['/t/b', '2'],
      ],
    );
    await etcd.delete('/t/a');
    assert.equal(await etcd.get('/t/a'), undefined);
    await etcd.deletePrefix('/t/');
    assert.deepEqual(await etcd.range('/t/'), []);
    assert.equal((await etcd.get('/tt'))?.value, 'other');
  });

  test('a transaction holds only while the revision does', async () => {
    const create = () => etcd.txn([{ key: '/cas', modRevision: 0 }], [{ put: '/cas', value: '1' }]);
    assert.equal(await create(), true);
    assert.equal(await create(), false);
    const seen = await etcd.get('/cas');
    const swap = [{ key: '/cas', modRevision: seen?.modRevision ?? 0 }];
    assert.equal(await etcd.txn(swap, [{ put: '/cas', value: '2' }]), true);
    assert.equal(await etcd.txn(swap, [{ delete: '/cas' }]), false);
    assert.equal((await etcd.get('/cas'))?.value, '2');
  });

  test('a key goes with its lease', async () => {
    const lease = await etcd.grant(30);
    await etcd.put('/leased', 'x', lease);
    assert.ok((await etcd.keepAlive(lease)) > 0);
    await etcd.revoke(lease);
    assert.equal(await etcd.get('/leased'), undefined);
    assert.equal(await etcd.keepAlive(lease), 0);
    await etcd.revoke(lease);
  });

  test('a watch reports exact keys and prefixes, and nothing else', async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    const ready = Promise.withResolvers<void>();
    const ended = etcd.watch(
      { keys: ['/w/leader', '/w/all/'], onChange: (key) => seen.push(key), onReady: ready.resolve },
      stop.signal,
    );
    await ready.promise;
    await etcd.put('/w/leader', 'a');
    await etcd.put('/w/leader2', 'a');
    await etcd.put('/w/all/1', 'a');
    await etcd.delete('/w/leader');
    await poll(async () => (seen.length >= 3 ? true : undefined), { timeoutMs: 60_000 });
    stop.abort();
    await assert.rejects(ended);
    assert.deepEqual(seen.toSorted(), ['/w/all/1', '/w/leader', '/w/leader']);
  });

  test('a learner joins, catches up, is promoted, leads, and is removed', async () => {
    const id = await etcd.addLearner(url(1, 2380));
    assert.equal(await etcd.addLearner(url(1, 2380)), id, 'adding again finds the first');
    const initial = [0, 1].map((n) => `${cluster.at(n).member.member}=${url(n, 2380)}`).join(',');
    cluster.startEtcdMember(1, initial, 'existing');
    const isUp = () => hasLeader(etcd, url(1, 2379));
    assert.equal(await poll(isUp, { timeoutMs: 120_000 }), true);
    // etcd itself would promote a learner that had caught up and fell silent, and then be stuck.
    await cluster.end('etcd-1', 'SIGKILL');
    await assert.rejects(promote(id), { code: 'voters-silent', message: /1 of 2 would answer/ });
    assert.equal((await etcd.members()).find((each) => each.id === id)?.learner, true);
    cluster.startEtcdMember(1, initial, 'existing');
    const promoted = () =>
      promote(id).then(
        () => true,
        () => undefined,
      );
    assert.equal(await poll(promoted, { timeoutMs: 120_000 }), true);
    await promote(id);
    const status = await etcd.status(url(1, 2379));
    assert.equal(status.id, id);
    const members = await etcd.members();
    assert.deepEqual(members.map(({ name, learner }) => [name, learner]).toSorted(), [
      ['postgresql-0', false],
      ['postgresql-1', false],
    ]);
    await etcd.transferLeadership(url(0, 2379), id);
    assert.equal((await etcd.status(url(1, 2379))).leaderId, id);
    const first = members.find(({ name }) => name === 'postgresql-0');
    await etcd.transferLeadership(url(1, 2379), first?.id ?? '');
    await changeVoters('remove-voter', id);
    await changeVoters('remove-voter', id);
    await etcd.remove(id);
    assert.equal((await etcd.members()).length, 1);
  });

  test('silence and refusal are told apart', async () => {
    const silent = createEtcd({ endpoints: ['https://127.255.0.9:9'], tls: cluster.at(0).tls });
    await assert.rejects(silent.get('x'), { code: 'etcd-unreachable' });
    silent.close();
    await assert.rejects(etcd.promote('abc'), { code: 'etcd-refused', message: /not found/ });
  });
});

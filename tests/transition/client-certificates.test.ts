/** Clients that offer a certificate: who is asked for it, where, and what a bad one does. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestData, requestDataV1 } from '../../lib/relations/postgresql-client-request.ts';
import { accessRules, hbaLines } from '../../src/charm/decide/access.ts';
import { clientTrust } from '../../src/charm/model/client-certificates.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import { renderPooler } from '../../src/charm/workload/pgbouncer.ts';
import { type Client, ClientWorld } from '../support/client-world.ts';

const pem = (text: string) => {
  const body = Buffer.from(text).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;
};
const wish = { database: 'shop', extraUserRoles: '', certificateSecret: 'secret:c' };
const ID = '0123456789abcdef';

function aClient(id: number, remoteApp: Record<string, string>): Client {
  const data = { 'egress-subnets': `192.168.0.${id}/32` };
  return { id, app: `app-${id}`, remoteApp, units: [{ name: `app-${id}/0`, data }] };
}

/** Relation 7 offers a certificate, relation 8 does not. */
async function served(change: Partial<ClientWorld> = {}): Promise<ClientWorld> {
  const world = new ClientWorld();
  world.clients = [
    aClient(7, requestData(wish)),
    aClient(8, requestData({ database: 'bank', extraUserRoles: '' })),
  ];
  world.tls = 'on';
  world.offered = { 'relation-7': { trust: pem('first CA') } };
  Object.assign(world, change);
  await world.settle();
  return world;
}

const bag = (world: ClientWorld, id = 7) => world.committed.bags[id] ?? {};
const rule = (world: ClientWorld, user = 'relation-7') =>
  accessRules(world.snapshot()).find((each) => each.user === user);
const trusted = (world: ClientWorld) => clientTrust(world.snapshot())?.text;
const messages = async (world: ClientWorld) =>
  (await world.hook()).findings.map(({ message }) => message);

/** What the other client has, which none of this may touch. */
function assertNeighbour(world: ClientWorld): void {
  assert.deepEqual(rule(world, 'relation-8')?.databases, ['bank']);
  assert.equal(rule(world, 'relation-8')?.certificate, undefined);
  assert.match(bag(world, 8)['endpoints'] ?? '', /:6432$/);
}

describe('a client that offers a certificate', () => {
  test('is asked for it beside its password, by PostgreSQL alone', async () => {
    const world = await served();
    assert.equal(trusted(world), `${pem('first CA')}\n`);
    const own = rule(world);
    assert.equal(own?.certificate, true);
    const [line] = hbaLines(own === undefined ? [] : [own]);
    assert.match(line ?? '', /^host "shop" "relation-7" \S+ scram-sha-256 clientcert=verify-ca$/);
    const pooler = { access: accessRules(world.snapshot()), failoverWait: { seconds: 0 } };
    const desired = { pooler, paths: {}, unit: {}, postgres: {} } as unknown as Desired;
    const content = { topology: { primary: undefined, readers: [] }, databases: [], users: [] };
    const { hba } = renderPooler(desired, { ...content, admin: 'root' });
    assert.doesNotMatch(hba, /relation-7/);
    assert.match(hba, /"relation-8"/);
    assertNeighbour(world);
  });

  test('is told the way past the pooler, the primary first', async () => {
    const world = await served();
    assert.equal(bag(world)['endpoints'], '10.0.0.10:5432,10.0.0.11:5432,10.0.0.12:5432');
    const { uris = '' } = world.committed.secrets['database.7.user.secret']?.content ?? {};
    assert.match(uris, /10\.0\.0\.10:5432,.*target_session_attrs=read-write$/);
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
  });

  test('may bring another; who vouched for the first is trusted no more', async () => {
    const world = await served();
    world.offered = { 'relation-7': { trust: `${pem('a')}\n${pem('b')}` } };
    await world.settle();
    assert.equal(trusted(world), `${[pem('a'), pem('b')].sort().join('\n')}\n`);
    assert.equal(rule(world)?.certificate, true);
  });

  test('keeps being asked for the first one until the file with the next is there', async () => {
    const world = await served();
    world.offered = { 'relation-7': { trust: pem('first CA') }, 'relation-8': { trust: pem('b') } };
    world.clients[1] = aClient(8, requestData({ ...wish, database: 'bank' }));
    await world.hook();
    assert.equal(rule(world)?.certificate, true, 'its own is in the file that lies there');
    assert.equal(rule(world, 'relation-8'), undefined, 'the other is not');
    await world.settle();
    assert.equal(rule(world, 'relation-8')?.certificate, true);
  });

  test('is let in by its password again when it offers none any more', async () => {
    const world = await served();
    const [client] = world.clients;
    if (client !== undefined)
      client.remoteApp = requestData({ ...wish, certificateSecret: undefined });
    world.offered = {};
    await world.settle();
    assert.equal(trusted(world), undefined);
    assert.partialDeepStrictEqual(rule(world), { user: 'relation-7', databases: ['shop'] });
    assert.equal(rule(world)?.certificate, undefined);
    assert.match(bag(world)['endpoints'] ?? '', /:6432$/);
    assert.equal(world.committed.peers['clients'], undefined);
  });

  test('takes its trust along when it goes', async () => {
    const world = await served();
    const [client] = world.clients;
    if (client !== undefined) client.ending = true;
    await world.settle();
    assert.equal(trusted(world), undefined);
    assert.equal(rule(world), undefined);
    assertNeighbour(world);
  });

  test('of v1 is asked for the certificate of each request that has one', async () => {
    const requests = requestDataV1(wish, ID, 'salt');
    const mark = `relation-7-${ID}`;
    const world = await served({
      clients: [aClient(7, requests)],
      offered: { [mark]: { trust: pem('first CA') } },
    });
    assert.equal(rule(world, mark)?.certificate, true);
  });
});

describe('a certificate that cannot be used', () => {
  const problem = 'the CA that issued it is missing; send its chain';

  test('refuses its client alone, with the reason', async () => {
    const world = await served({ offered: { 'relation-7': { problem } } });
    const why = `offers a client certificate that cannot be used: ${problem}`;
    assert.deepEqual(await messages(world), [`app-7 ${why}`]);
    assert.equal(JSON.parse(bag(world)['status'] ?? '[]')[0]?.message, `app-7 ${why}`);
    assert.equal(bag(world)['secret-user'], undefined);
    assert.equal(rule(world), undefined);
    assertNeighbour(world);
  });

  test('does not take away what a good one had opened, and heals', async () => {
    const world = await served();
    const before = {
      rule: rule(world),
      trusted: trusted(world),
      secret: bag(world)['secret-user'],
    };
    world.offered = { 'relation-7': { problem } };
    await world.hook();
    assert.deepEqual(
      { rule: rule(world), trusted: trusted(world), secret: bag(world)['secret-user'] },
      before,
    );
    world.offered = { 'relation-7': { trust: pem('second CA') } };
    await world.settle();
    assert.deepEqual(await messages(world), []);
    assert.equal(bag(world)['status'], undefined);
    assert.equal(trusted(world), `${pem('second CA')}\n`);
  });
});

describe('without TLS', () => {
  test('nobody can be asked for a certificate, and the password alone opens nothing', async () => {
    const world = await served({ tls: 'off' });
    assert.deepEqual(await messages(world), [
      'app-7 offers a client certificate, which takes TLS: integrate client-certificates',
    ]);
    assert.equal(rule(world), undefined);
    assertNeighbour(world);
    world.tls = 'on';
    await world.settle();
    assert.equal(rule(world)?.certificate, true);
    assert.deepEqual(await messages(world), []);
  });

  test('yet, the client waits', async () => {
    const world = await served({ tls: 'awaited' });
    assert.deepEqual(
      (await world.hook()).findings.map(({ code }) => code),
      ['client-needs-tls'],
    );
    assert.equal(bag(world)['status'], undefined);
  });
});

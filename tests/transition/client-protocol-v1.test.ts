/** Several requests in one relation, as version 1 of the protocol has them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestData } from '../../lib/relations/postgresql-client-request.ts';
import { type Client, ClientWorld } from '../support/client-world.ts';

function aClient(remoteApp: Record<string, string>): Client {
  const data = { 'egress-subnets': '192.168.0.7/32' };
  return { id: 7, app: 'app-7', remoteApp, units: [{ name: 'app-7/0', data }] };
}

async function served(client: Client): Promise<ClientWorld> {
  const world = new ClientWorld();
  world.clients = [client];
  await world.settle();
  return world;
}

/** Settled, with nothing left to do or to say. */
async function assertConverged(world: ClientWorld): Promise<void> {
  assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
}

const secretOf = (world: ClientWorld, label: string) => world.committed.secrets[label]?.content;

describe('protocol v1', () => {
  const request = (id: string, resource: string, more: Record<string, unknown> = {}) => ({
    'request-id': id.padStart(16, '0'),
    salt: `salt ${id}`,
    resource,
    ...more,
  });
  const bag = (...requests: object[]) => ({ version: 'v1', requests: JSON.stringify(requests) });
  const shop = request('1', 'shop');
  const group = request('2', 'bank', { 'entity-type': 'GROUP', 'extra-group-roles': 'createdb' });
  const said = (world: ClientWorld) => JSON.parse(world.committed.bags[7]?.['requests'] ?? '[]');

  test('every request gets a role, secrets and an answer of its own', async () => {
    const world = await served(aClient(bag(shop, group)));
    const first = 'relation-7-0000000000000001';
    assert.deepEqual(world.clientRoles().sort(), [first, 'relation-7-0000000000000002']);
    const label = 'database.7.0000000000000001.user.secret';
    assert.equal(secretOf(world, label)?.['username'], first);
    assert.equal(secretOf(world, label.replace('user', 'tls'))?.['tls'], 'false');
    assert.partialDeepStrictEqual(said(world), [
      {
        resource: 'shop',
        'request-id': '0000000000000001',
        salt: 'salt 1',
        endpoints: '10.0.0.10:6432,10.0.0.11:6432,10.0.0.12:6432',
        version: '15.18',
        'secret-user': 'secret:user-00000000000000017',
      },
      { resource: 'bank', 'secret-entity': 'secret:entity-00000000000000027' },
    ]);
    assert.deepEqual(JSON.parse(world.committed.bags[7]?.['data'] ?? ''), {
      '0000000000000001': shop,
      '0000000000000002': group,
    });
    assert.equal(world.committed.bags[7]?.['version'], 'v1');
    await assertConverged(world);
  });

  test('one that cannot be served hinders no other, and heals', async () => {
    const client = aClient(bag(shop, request('3', 'postgres')));
    const world = await served(client);
    const { findings } = await world.hook();
    assert.match(findings[0]?.message ?? '', /asks for database "postgres": the name is reserved/);
    assert.equal(said(world).length, 1);
    assert.match(world.committed.bags[7]?.['status'] ?? '', /reserved/);
    client.remoteApp = bag(shop, request('3', 'other'));
    await world.settle();
    assert.equal(said(world).length, 2);
    assert.equal(world.committed.bags[7]?.['status'], undefined);
    await assertConverged(world);
  });

  test('one that is withdrawn takes its role and secrets along', async () => {
    const client = aClient(bag(shop, group));
    const world = await served(client);
    client.remoteApp = bag(shop);
    await world.settle();
    assert.deepEqual(world.clientRoles(), ['relation-7-0000000000000001']);
    const labels = Object.keys(world.committed.secrets);
    assert.ok(labels.every((label) => label.startsWith('database.7.0000000000000001.')));
    assert.equal(said(world).length, 1);
    await assertConverged(world);
  });

  test('a databag that is empty for a moment takes nothing away', async () => {
    const client = aClient(bag(shop));
    const world = await served(client);
    client.remoteApp = {};
    assert.deepEqual((await world.hook()).kinds, []);
  });

  test('a request whose kind changes keeps what it was given', async () => {
    const client = aClient(bag(shop, request('4', 'other')));
    const world = await served(client);
    const before = said(world);
    client.remoteApp = bag({ ...shop, 'entity-type': 'GROUP' }, request('4', 'other'));
    await world.hook();
    const texts = (items: object[]) => items.map((item) => JSON.stringify(item)).sort();
    assert.deepEqual(texts(said(world)), texts(before));
  });

  test('a client that goes over from v0 is served anew, and what was of v0 goes', async () => {
    const client = aClient(requestData({ database: 'shop', extraUserRoles: '' }));
    const world = await served(client);
    client.remoteApp = bag(shop);
    await world.settle();
    assert.deepEqual(world.clientRoles(), ['relation-7-0000000000000001']);
    assert.deepEqual(Object.keys(world.committed.bags[7] ?? {}).sort(), [
      'data',
      'requests',
      'version',
    ]);
    await assertConverged(world);
  });

  for (let deaths = 0; deaths <= 12; deaths++) {
    test(`a hook that dies before step ${deaths} is finished by the next`, async () => {
      const world = new ClientWorld();
      world.clients = [aClient(bag(shop, group))];
      await world.hook(deaths);
      world.agentsCatchUp();
      await world.hook(deaths);
      await world.settle();
      const login = secretOf(world, 'database.7.0000000000000001.user.secret');
      assert.equal(login?.['password'], world.passwords[login?.['username'] ?? '']);
      assert.equal(said(world).length, 2);
      await assertConverged(world);
    });
  }
});

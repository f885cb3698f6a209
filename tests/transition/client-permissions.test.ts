/** Clients that ask for single permissions: granted, waited for, changed, given up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Permission, requestData } from '../../lib/relations/postgresql-client-request.ts';
import { ClientWorld } from '../support/client-world.ts';

const MARK = 'relation-7';
const table = (name: string, ...privileges: string[]): Permission => ({
  resource_type: 'TABLE',
  resource_name: name,
  privileges,
});
const bagFor = (...permissions: Permission[]) =>
  requestData({
    database: 'shop',
    extraUserRoles: '',
    ...(permissions.length === 0 ? {} : { permissions }),
  });

/** Relation 7, which asks for permissions, in a database that it does not own. */
function asking(...permissions: Permission[]) {
  const world = new ClientWorld();
  const data = { 'egress-subnets': '192.168.0.7/32' };
  const units = [{ name: 'reports/0', data }];
  const client = { id: 7, app: 'reports', remoteApp: bagFor(...permissions), units };
  world.clients = [client];
  return { world, client };
}

const WAY = ['DATABASE shop CONNECT', 'SCHEMA public USAGE'];
const goods = [...WAY, 'TABLE public.goods SELECT'];
const held = (world: ClientWorld) => world.granting[MARK]?.held.toSorted() ?? [];
const told = (world: ClientWorld) => world.committed.bags[7]?.['secret-user'];

describe('a client that asks for permissions', () => {
  test('is granted those and owns nothing; then nothing is left to do', async () => {
    const { world } = asking(table('goods', 'SELECT'));
    await world.settle();
    assert.deepEqual(held(world), goods);
    assert.deepEqual(world.granting[MARK]?.recorded, goods);
    assert.partialDeepStrictEqual(world.role(MARK), { memberOf: ['relation_access'], assumes: {} });
    assert.ok(told(world));
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
  });

  test('is told how to log in once it may, and not before', async () => {
    const { world } = asking(table('goods', 'SELECT'));
    for (let event = 0; event < 6; event++) {
      await world.hook();
      if (told(world) !== undefined) assert.deepEqual(held(world), goods);
      world.agentsCatchUp();
    }
    assert.ok(told(world));
  });

  test('waits for a table that somebody is still to make, and says for which', async () => {
    const { world } = asking(table('goods', 'SELECT'), table('news', 'SELECT'));
    world.absent = ['TABLE public.news'];
    await world.settle();
    assert.deepEqual(held(world), goods);
    const { findings, kinds } = await world.hook();
    assert.deepEqual(kinds, []);
    assert.partialDeepStrictEqual(findings, [
      {
        level: 'waiting',
        code: 'client-objects-missing',
        message: 'reports waits: shop has no TABLE public.news',
      },
    ]);
    assert.ok(told(world), 'the others are of use already');
    world.absent = [];
    await world.settle();
    assert.deepEqual(held(world), [...goods, 'TABLE public.news SELECT']);
    assert.deepEqual((await world.hook()).findings, []);
  });

  test('that asks for others loses what it does not ask for any more', async () => {
    const { world, client } = asking(table('goods', 'SELECT'));
    await world.settle();
    client.remoteApp = bagFor(table('goods', 'INSERT'));
    await world.settle();
    assert.deepEqual(held(world), [...WAY, 'TABLE public.goods INSERT']);
  });

  test('that asks for none any more owns its database and keeps no grant', async () => {
    const { world, client } = asking(table('goods', 'SELECT'));
    await world.settle();
    assert.match(world.committed.peers['clients'] ?? '', /"permissions":true/);
    client.remoteApp = bagFor();
    await world.settle();
    assert.deepEqual(world.granting[MARK], { recorded: [], held: [] });
    assert.deepEqual(world.role(MARK)?.assumes, { shop: 'charmed_shop_owner' });
    assert.equal(world.committed.peers['clients'], undefined);
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
  });

  test('keeps what others have granted it, and is granted nothing twice', async () => {
    const { world, client } = asking(table('goods', 'SELECT'));
    world.granting[MARK] = { recorded: [], held: ['TABLE public.goods SELECT'] };
    await world.settle();
    assert.deepEqual(world.granting[MARK]?.recorded, WAY);
    client.remoteApp = bagFor(table('news', 'SELECT'));
    await world.settle();
    assert.ok(held(world).includes('TABLE public.goods SELECT'));
  });

  test('that cannot be looked at is waited for, and nothing is taken away', async () => {
    const { world, client } = asking(table('goods', 'SELECT'));
    await world.settle();
    world.primary = undefined;
    client.remoteApp = bagFor();
    const { kinds, findings } = await world.hook();
    assert.deepEqual(kinds, []);
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['no-primary'],
    );
    assert.match(world.committed.peers['clients'] ?? '', /"permissions":true/);
  });

  test('for what cannot be granted it is refused, and nobody else', async () => {
    const { world } = asking(table('pg_catalog.pg_authid', 'SELECT'));
    const other = {
      id: 8,
      app: 'bank',
      remoteApp: requestData({ database: 'bank', extraUserRoles: '' }),
    };
    world.clients.push({ ...other, units: [] });
    await world.settle();
    const [finding] = (await world.hook()).findings;
    assert.match(finding?.message ?? '', /^reports asks for permissions on TABLE "pg_catalog/);
    assert.equal(told(world), undefined);
    assert.ok(world.committed.bags[8]?.['secret-user']);
  });
});

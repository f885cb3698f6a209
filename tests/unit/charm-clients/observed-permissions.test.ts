/** Who looks into databases of clients for permissions: the leader, where some are asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestData } from '../../../lib/relations/postgresql-client-request.ts';
import { observePermissions } from '../../../src/charm/observe/permissions.ts';
import { ClientWorld } from '../../support/client-world.ts';

const permissions = [{ resource_name: 'goods', resource_type: 'TABLE', privileges: ['SELECT'] }];
const wish = { database: 'shop', extraUserRoles: '' };

async function served(remoteApp: Record<string, string>): Promise<ClientWorld> {
  const world = new ClientWorld();
  world.clients = [{ id: 7, app: 'reports', remoteApp, units: [] }];
  await world.settle();
  return world;
}

test('nobody looks while no client asks for permissions', async () => {
  const world = await served(requestData(wish));
  assert.deepEqual(await observePermissions(world.snapshot()), {});
});

test('the leader looks, and says why it cannot', async () => {
  const world = await served(requestData({ ...wish, permissions }));
  const reason = 'cannot reach a primary: none is known';
  assert.deepEqual(await observePermissions(world.snapshot()), {
    permissions: { 'relation-7': { known: false, reason } },
  });
});

test('nobody else looks, nor anybody for a role that is still to be made', async () => {
  const world = await served(requestData({ ...wish, permissions }));
  world.isLeader = false;
  assert.deepEqual(await observePermissions(world.snapshot()), {});
  world.isLeader = true;
  world.roles = [];
  assert.deepEqual(await observePermissions(world.snapshot()), {});
});

test('who still has some that it asks for no more is looked at, too', async () => {
  const world = await served(requestData({ ...wish, permissions }));
  const [client] = world.clients;
  if (client !== undefined) client.remoteApp = requestData(wish);
  assert.deepEqual(Object.keys((await observePermissions(world.snapshot())).permissions ?? {}), [
    'relation-7',
  ]);
});

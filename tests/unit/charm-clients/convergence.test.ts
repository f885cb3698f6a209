/** Whatever happens to clients, hooks and poolers in whatever order: it ends where it should. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestData } from '../../../lib/relations/postgresql-client-request.ts';
import { accessRules } from '../../../src/charm/decide/access.ts';
import { type Client, ClientWorld } from '../../support/client-world.ts';

type Event = (world: ClientWorld) => Promise<void> | void;

const aClient = (id: number, database: string): Client => ({
  id,
  app: `app-${id}`,
  remoteApp: requestData({ database, extraUserRoles: '' }),
  units: [{ name: `app-${id}/0`, data: { 'egress-subnets': '127.0.0.1/32' } }],
});

const ids = fc.integer({ min: 1, max: 4 });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.tuple(ids, fc.constantFrom('shop', 'bank', 'postgres', 'a b')).map(
    ([id, database]): Event =>
      (world) => {
        if (world.clients.every((client) => client.id !== id)) {
          world.clients.push(aClient(id, database));
        }
      },
  ),
  // A relation ends with one hook, which may die, and which is then tried again.
  fc.tuple(ids, fc.nat({ max: 3 })).map(
    ([id, dieBefore]): Event =>
      async (world) => {
        const client = world.clients.find((candidate) => candidate.id === id);
        if (client === undefined) return;
        client.ending = true;
        await world.hook(dieBefore);
        await world.hook();
        world.clients = world.clients.filter((candidate) => candidate.id !== id);
        delete world.committed.bags[id];
      },
  ),
  fc.nat({ max: 10 }).map(
    (dieBefore): Event =>
      async (world) => {
        await world.hook(dieBefore);
      },
  ),
  fc.constantFrom(undefined, 'postgresql-0', 'postgresql-1', 'postgresql-2').map(
    (primary): Event =>
      (world) => {
        world.primary = primary;
      },
  ),
  fc.subarray(['postgresql/1', 'postgresql/2']).map(
    (unreachable): Event =>
      (world) => {
        world.unreachable = unreachable;
      },
  ),
  fc.constant((world: ClientWorld) => world.agentsCatchUp()),
);

test('after any history every client has what it asked for, and nobody else anything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (history) => {
      const world = new ClientWorld();
      for (const happen of history) await happen(world);
      world.primary = 'postgresql-1';
      await world.settle();

      const served = world.clients.filter(({ remoteApp }) =>
        ['shop', 'bank'].includes(remoteApp['database'] ?? ''),
      );
      const roles = world.clientRoles().sort();
      assert.deepEqual(roles, served.map(({ id }) => `relation-${id}`).sort());
      assert.deepEqual(
        accessRules(world.snapshot())
          .map((rule) => rule.user)
          .sort(),
        roles,
      );
      for (const { id, remoteApp } of served) {
        const secret = world.committed.secrets[`database.${id}.user.secret`];
        const bag = world.committed.bags[id];
        assert.equal(secret?.content['password'], world.passwords[`relation-${id}`]);
        assert.ok(secret?.grants.includes(id));
        assert.equal(bag?.['secret-user'], `secret:${secret?.id}`);
        assert.equal(bag?.['database'], remoteApp['database']);
        assert.match(bag?.['endpoints'] ?? '', /^10\.0\.0\.11:6432,/);
        assert.ok(secret?.content['uris']?.includes(bag?.['endpoints'] ?? '-'));
      }
      const { kinds, findings } = await world.hook();
      assert.deepEqual(kinds, []);
      const refused = world.clients.length - served.length;
      assert.equal(findings.filter(({ level }) => level === 'blocked').length, refused);
      assert.equal(findings.length, refused);
    }),
    { numRuns: 300 },
  );
});

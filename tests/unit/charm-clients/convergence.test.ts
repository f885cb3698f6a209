/** Whatever happens to clients, hooks and poolers in whatever order: it ends where it should. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { saidOf, secretLabel } from '../../../lib/relations/postgresql-client.ts';
import {
  parseRequests,
  requestData,
  requestDataV1,
} from '../../../lib/relations/postgresql-client-request.ts';
import { accessRules } from '../../../src/charm/decide/access.ts';
import { type Client, ClientWorld } from '../../support/client-world.ts';

type Event = (world: ClientWorld) => Promise<void> | void;

const SALT = 'salt';
const REQUEST_ID = '0123456789abcdef';

/** In v0, or with an odd number in v1. */
const aClient = (id: number, database: string, extraUserRoles = ''): Client => ({
  id,
  app: `app-${id}`,
  remoteApp:
    id % 2 === 0
      ? requestData({ database, extraUserRoles })
      : requestDataV1({ database, extraUserRoles }, REQUEST_ID, SALT),
  units: [{ name: `app-${id}/0`, data: { 'egress-subnets': '127.0.0.1/32' } }],
});

const ids = fc.integer({ min: 1, max: 4 });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc
    .tuple(
      ids,
      fc.constantFrom('shop', 'bank', 'sho*', 'postgres', 'a b'),
      fc.constantFrom('', '', 'charmed_admin', 'charmed_read', 'createdb', 'superuser', 'nobody'),
    )
    .map(
      ([id, database, roles]): Event =>
        (world) => {
          if (world.clients.every((client) => client.id !== id)) {
            world.clients.push(aClient(id, database, roles));
          }
        },
    ),
  fc.constantFrom('shopping', 'other').map(
    (name): Event =>
      (world) => {
        if (!world.databases.includes(name)) world.makeDatabase(name);
      },
  ),
  // Somebody changes rights by hand.
  ids.map(
    (id): Event =>
      (world) => {
        const role = world.roles.find(({ comment }) => comment?.startsWith(`relation-${id}`));
        role?.memberOf.push('charmed_dml');
        world.openDatabases = world.databases.filter((name) => name === 'shop');
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

      const served = world.clients.flatMap(({ id, remoteApp }) => {
        const [parsed] = parseRequests(remoteApp)?.requests ?? [];
        return parsed?.ok ? [{ id, request: parsed.request }] : [];
      });
      const names = served.map(({ id, request }) =>
        request.id === undefined ? `relation-${id}` : `relation-${id}-${request.id}`,
      );
      assert.deepEqual(world.clientRoles().sort(), names.toSorted());
      const ruled = accessRules(world.snapshot()).map((rule) => rule.user);
      assert.deepEqual(
        ruled.filter((user) => !names.includes(user)),
        [],
      );
      for (const [at, { id, request }] of served.entries()) {
        const secret = world.committed.secrets[secretLabel(id, request.id, 'user')];
        const said = saidOf(world.committed.bags[id] ?? {}, request.id);
        assert.equal(secret?.content['username'], names[at]);
        assert.equal(secret?.content['password'], world.passwords[names[at] ?? '']);
        assert.ok(secret?.grants.includes(id));
        assert.equal(said['secret-user'], `secret:${secret?.id}`);
        assert.match(said['endpoints'] ?? '', /^10\.0\.0\.11:6432,/);
        const uris = secret?.content['uris'] ?? said['endpoints'];
        assert.ok(uris?.includes(said['endpoints'] ?? '-'));
      }
      assert.ok(!world.openDatabases.some((name) => ['shop', 'bank', 'shopping'].includes(name)));
      const { kinds, findings } = await world.hook();
      assert.deepEqual(kinds, []);
      const refused = world.clients.length - served.length;
      assert.equal(findings.filter(({ level }) => level === 'blocked').length, refused);
      assert.equal(findings.length, refused);
    }),
    { numRuns: 300 },
  );
});

/** What clients may ask for beside a database: roles, prefixes, names and groups. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestData, type Wish } from '../../lib/relations/postgresql-client-request.ts';
import { accessRules, hbaLines } from '../../src/charm/decide/access.ts';
import { type Client, ClientWorld } from '../support/client-world.ts';

function bagFor(wish: Partial<Wish> = {}): Record<string, string> {
  return requestData({ database: 'shop', extraUserRoles: '', ...wish });
}

function aClient(remoteApp: Record<string, string>, id = 7): Client {
  const data = { 'egress-subnets': `192.168.0.${id}/32` };
  return { id, app: `app-${id}`, remoteApp, units: [{ name: `app-${id}/0`, data }] };
}

async function served(...clients: Client[]): Promise<ClientWorld> {
  const world = new ClientWorld();
  world.clients = clients;
  await world.settle();
  return world;
}

/** Settled, with nothing left to do or to say. */
async function assertConverged(world: ClientWorld): Promise<void> {
  assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
}

const secretOf = (world: ClientWorld, label: string) => world.committed.secrets[label]?.content;
const userOf = (world: ClientWorld) => secretOf(world, 'database.7.user.secret');
const rulesOf = (world: ClientWorld) => accessRules(world.snapshot());

describe('extra-user-roles', () => {
  const per = ['charmed_shop_admin', 'charmed_shop_dml', 'relation_access'];
  const cases: [asked: string, memberOf: string[], assumes: Record<string, string>][] = [
    ['charmed_stats', ['charmed_stats', 'relation_access'], {}],
    ['charmed_read,relation_access', ['charmed_read', 'relation_access'], {}],
    ['CHARMED_DML', ['charmed_dml', 'relation_access'], {}],
    ['superuser', per, {}],
    ['charmed_admin', ['charmed_admin', ...per], { shop: 'charmed_shop_owner' }],
    [
      'createdb',
      ['charmed_databases_owner', ...per],
      { '': 'charmed_databases_owner', shop: 'charmed_shop_owner' },
    ],
  ];
  for (const [asked, memberOf, assumes] of cases) {
    test(`${asked} becomes the roles of the login, which may try every database`, async () => {
      const world = await served(aClient(bagFor({ extraUserRoles: asked })));
      assert.partialDeepStrictEqual(world.role('relation-7'), {
        login: true,
        superuser: asked === 'superuser',
        memberOf: memberOf.toSorted(),
        assumes,
      });
      assert.deepEqual(rulesOf(world)[0]?.databases, ['all']);
      await assertConverged(world);
    });
  }

  test('that change are followed, and the password stays', async () => {
    const client = aClient(bagFor({ extraUserRoles: 'charmed_admin' }));
    const world = await served(client);
    const password = world.passwords['relation-7'];
    client.remoteApp = bagFor();
    const { kinds } = await world.hook();
    assert.deepEqual(kinds, ['adjust-role', 'relation-set']);
    assert.deepEqual(world.role('relation-7')?.memberOf, per);
    assert.equal(world.passwords['relation-7'], password);
    await assertConverged(world);
  });

  test('a login with charmed_admin acts as the owner of what others ask for later', async () => {
    const world = await served(aClient(bagFor({ extraUserRoles: 'charmed_admin' })));
    world.clients.push(aClient(bagFor({ database: 'bank' }), 8));
    await world.settle();
    assert.deepEqual(world.role('relation-7')?.assumes, {
      bank: 'charmed_bank_owner',
      shop: 'charmed_shop_owner',
    });
  });

  test('a database that a client made is closed to others, and it keeps it', async () => {
    const world = await served(aClient(bagFor({ extraUserRoles: 'createdb' })));
    world.makeDatabase('own');
    const { kinds } = await world.hook();
    assert.deepEqual(kinds, ['ensure-database']);
    assert.deepEqual(world.openDatabases, []);
    // The function that it calls in there makes it a member.
    world.role('relation-7')?.memberOf.push('charmed_own_admin', 'charmed_own_dml');
    await world.hook();
    assert.equal(world.role('relation-7')?.assumes?.['own'], 'charmed_own_owner');
    assert.ok(world.role('relation-7')?.memberOf.includes('charmed_own_dml'));
    await assertConverged(world);
  });
});

describe('drift', () => {
  test('in rights is mended, and what an operator granted beside them stays', async () => {
    const world = await served(aClient(bagFor()));
    const role = world.role('relation-7');
    role?.memberOf.push('charmed_read', 'accounting');
    assert.deepEqual((await world.hook()).kinds, ['adjust-role']);
    world.role('relation-7')?.memberOf.push('accounting');
    await assertConverged(world);
  });

  test('of a database that PUBLIC may enter again is mended', async () => {
    const world = await served(aClient(bagFor()));
    world.openDatabases = ['shop'];
    assert.deepEqual((await world.hook()).kinds.slice(0, 1), ['ensure-database']);
    await assertConverged(world);
  });

  test('a login by SQL acts as what its memberships say', async () => {
    const world = await served(aClient(bagFor()));
    const anna = { login: true, superuser: false, connectionLimit: -1, comment: '', assumes: {} };
    world.roles.push({ name: 'anna', memberOf: ['charmed_shop_admin'], ...anna });
    assert.deepEqual((await world.hook()).kinds, ['assume-roles']);
    assert.deepEqual(world.role('anna')?.assumes, { shop: 'charmed_shop_owner' });
    await assertConverged(world);
  });
});

describe('a prefix', () => {
  const asked = bagFor({ database: 'abc*' });

  test('without a database of it gives a login and no URI, and is active', async () => {
    const world = await served(aClient(asked));
    assert.deepEqual(userOf(world), {
      username: 'relation-7',
      password: world.passwords['relation-7'],
    });
    assert.partialDeepStrictEqual(world.committed.bags[7], { database: 'abc*' });
    assert.equal(world.committed.bags[7]?.['prefix-databases'], undefined);
    assert.deepEqual(rulesOf(world), []);
    await assertConverged(world);
  });

  test('stands for every database that has it, present and future, and no other', async () => {
    const world = new ClientWorld();
    world.clients = [aClient(asked)];
    for (const name of ['abc_2', 'ab_1', 'abc_1_readonly']) world.makeDatabase(name, 'operator');
    await world.settle();
    world.makeDatabase('abc_1', 'operator');
    await world.settle();
    assert.equal(world.committed.bags[7]?.['prefix-databases'], 'abc_1,abc_2');
    assert.match(userOf(world)?.['uris'] ?? '', /\/abc_1\?/);
    assert.deepEqual(rulesOf(world)[0]?.databases, ['abc_1', 'abc_2']);
    assert.deepEqual(world.role('relation-7')?.assumes, {
      abc_1: 'charmed_abc_1_owner',
      abc_2: 'charmed_abc_2_owner',
    });
    assert.deepEqual(world.openDatabases, ['ab_1', 'abc_1_readonly']);
    await assertConverged(world);
  });

  test('loses what is dropped', async () => {
    const world = new ClientWorld();
    world.clients = [aClient(asked)];
    for (const name of ['abc_1', 'abc_2']) world.makeDatabase(name, 'operator');
    await world.settle();
    world.databases = ['postgres', 'abc_2'];
    await world.settle();
    assert.equal(world.committed.bags[7]?.['prefix-databases'], 'abc_2');
    const groups = world.role('relation-7')?.memberOf;
    assert.deepEqual(groups, ['charmed_abc_2_admin', 'charmed_abc_2_dml', 'relation_access']);
    await assertConverged(world);
  });

  test('keeps its access rules while no primary answers', async () => {
    const world = new ClientWorld();
    world.clients = [aClient(asked)];
    world.makeDatabase('abc_1', 'operator');
    await world.settle();
    const before = rulesOf(world);
    world.primary = undefined;
    await world.hook();
    assert.deepEqual(rulesOf(world), before);
    assert.deepEqual(before[0]?.databases, ['abc_1']);
  });
});

describe('a name of its own', () => {
  const asked = bagFor({ entitySecret: 'secret:name' });

  async function named(secret: Record<string, string> | undefined): Promise<ClientWorld> {
    const world = new ClientWorld();
    world.clients = [aClient(asked)];
    if (secret !== undefined) world.granted['secret:name'] = secret;
    await world.settle();
    return world;
  }

  test('is given, with a password that is made, and survives its secret', async () => {
    const world = await named({ 'entity-name': 'anna' });
    assert.deepEqual(world.clientRoles(), ['anna']);
    assert.equal(userOf(world)?.['username'], 'anna');
    assert.equal(userOf(world)?.['password'], world.passwords['anna']);
    assert.equal(rulesOf(world)[0]?.user, 'anna');
    world.granted = {};
    await assertConverged(world);
  });

  test('comes with the password that the client brings', async () => {
    const world = await named({ 'entity-name': 'anna', password: 'brought' });
    assert.equal(world.passwords['anna'], 'brought');
    assert.equal(userOf(world)?.['password'], 'brought');
  });

  test('goes with its relation, also when no primary could be asked then', async () => {
    for (const primary of ['postgresql-0', undefined]) {
      const world = await named({ 'entity-name': 'anna' });
      world.primary = primary;
      world.clients = [{ ...aClient(asked), ending: true }];
      await world.hook();
      world.clients = [];
      world.primary = 'postgresql-0';
      await world.hook();
      assert.deepEqual(world.clientRoles(), []);
      assert.deepEqual(world.committed.peers, {});
    }
  });

  const refused: [what: string, secret: Record<string, string> | undefined, why: RegExp][] = [
    ['has not been granted', undefined, /has not granted the secret/],
    ['is empty', {}, /user "": the name is empty/],
    ["is one of the charm's", { 'entity-name': 'operator' }, /"operator": the name is reserved/],
    ['would pass for a role of the charm', { 'entity-name': 'charmed_x' }, /charmed_.* are taken/],
    ['is no name', { 'entity-name': 'a"b' }, /letters, digits/],
  ];
  for (const [what, secret, why] of refused) {
    test(`that ${what} blocks that relation, and heals`, async () => {
      const world = await named(secret);
      const { findings } = await world.hook();
      assert.partialDeepStrictEqual(findings, [{ code: 'client-request-invalid' }]);
      assert.match(findings[0]?.message ?? '', why);
      assert.deepEqual(world.clientRoles(), []);
      world.granted['secret:name'] = { 'entity-name': 'anna' };
      await world.settle();
      assert.deepEqual(world.clientRoles(), ['anna']);
      await assertConverged(world);
    });
  }

  test('that somebody has is refused, whoever it is', async () => {
    const world = new ClientWorld();
    world.clients = [aClient(asked), aClient(bagFor({ entitySecret: 'secret:other' }), 8)];
    const bert = { login: true, superuser: false, connectionLimit: -1, comment: '', assumes: {} };
    world.roles.push({ name: 'bert', memberOf: [], ...bert });
    world.granted = {
      'secret:name': { 'entity-name': 'anna' },
      'secret:other': { 'entity-name': 'bert' },
    };
    await world.settle();
    assert.match((await world.hook()).findings[0]?.message ?? '', /a user of this name exists/);
    world.granted['secret:other'] = { 'entity-name': 'anna' };
    assert.match((await world.hook()).findings[0]?.message ?? '', /app-8 asks for user "anna"/);
    assert.deepEqual(world.clientRoles(), ['anna']);
    assert.equal(world.role('anna')?.comment, 'relation-7');
  });
});

describe('an entity', () => {
  test('of type USER gets name and password in a secret of its own', async () => {
    const world = await served(aClient(bagFor({ entityType: 'USER' })));
    const bag = world.committed.bags[7];
    assert.equal(bag?.['secret-user'], undefined);
    assert.deepEqual(secretOf(world, 'database.7.entity.secret'), {
      'entity-name': 'relation-7',
      'entity-password': world.passwords['relation-7'],
    });
    assert.equal(bag?.['secret-entity'], 'secret:entity7');
    await assertConverged(world);
  });

  test('of type GROUP gets a role that cannot log in, and no access rule', async () => {
    const wish = { entityType: 'GROUP', extraGroupRoles: 'charmed_read' };
    const world = await served(aClient(bagFor(wish)));
    assert.deepEqual(secretOf(world, 'database.7.entity.secret'), { 'entity-name': 'relation-7' });
    assert.partialDeepStrictEqual(world.role('relation-7'), {
      login: false,
      memberOf: ['charmed_read', 'relation_access'],
    });
    assert.equal(world.passwords['relation-7'], undefined);
    assert.deepEqual(rulesOf(world), []);
    await assertConverged(world);
  });

  test('cannot become a login later', async () => {
    const client = aClient(bagFor({ entityType: 'USER' }));
    const world = await served(client);
    client.remoteApp = bagFor();
    await world.hook();
    const { findings } = await world.hook();
    assert.match(findings[0]?.message ?? '', /asks for another entity-type than it was given/);
  });
});

describe('networks and limits', () => {
  test('a client from outside the model may come from anywhere, others not', async () => {
    const world = await served(aClient(bagFor({ external: true })), aClient(bagFor(), 8));
    const lines = hbaLines(rulesOf(world));
    assert.deepEqual(lines.slice(0, 2), [
      'host "shop" "relation-7" 0.0.0.0/0 scram-sha-256',
      'host "shop" "relation-7" ::/0 scram-sha-256',
    ]);
    assert.ok(lines.slice(2).every((line) => /"relation-8" [\d.]+\/32 /.test(line)));
  });

  test('the option limits the connections of every client until it goes', async () => {
    const world = await served(aClient(bagFor()));
    world.config = { 'client-connection-limit': 5 };
    assert.deepEqual((await world.hook()).kinds, ['adjust-role']);
    assert.equal(world.role('relation-7')?.connectionLimit, 5);
    assert.equal(rulesOf(world)[0]?.connectionLimit, 5);
    await assertConverged(world);
    world.config = { 'client-connection-limit': 0 };
    assert.deepEqual((await world.hook()).kinds, []); // Refused: what is in force stays.
    world.config = {};
    await world.hook();
    assert.equal(world.role('relation-7')?.connectionLimit, -1);
  });

  test('hosts with IPv6 stand in brackets', async () => {
    const world = new ClientWorld();
    world.address = (n) => `fd00::${n + 1}`;
    world.clients = [aClient(bagFor())];
    await world.settle();
    assert.equal(
      world.committed.bags[7]?.['endpoints'],
      '[fd00::1]:6432,[fd00::2]:6432,[fd00::3]:6432',
    );
    const uri = new URL(userOf(world)?.['single-host-uris'] ?? '');
    assert.deepEqual([uri.hostname, uri.port], ['[fd00::1]', '6432']);
  });
});

/** Clients served, killed at every step, moved, refused and withdrawn, in a world of plain data. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accessRules, hbaLines } from '../../src/charm/decide/access.ts';
import { type Client, ClientWorld } from '../support/client-world.ts';

const requested = JSON.stringify([
  'username',
  'password',
  'tls',
  'tls-ca',
  'uris',
  'read-only-uris',
]);

function aClient(id: number, database: string, extra: Partial<Client> = {}): Client {
  const data = { 'egress-subnets': `192.168.0.${id}/32` };
  return {
    id,
    app: `app-${id}`,
    remoteApp: { database, 'requested-secrets': requested },
    units: [{ name: `app-${id}/0`, data }],
    ...extra,
  };
}

function aWorld(...clients: Client[]): ClientWorld {
  const world = new ClientWorld();
  world.clients = clients;
  return world;
}

async function served(...clients: Client[]): Promise<ClientWorld> {
  const world = aWorld(...clients);
  await world.settle();
  return world;
}

const endpoints = '10.0.0.10:6432,10.0.0.11:6432,10.0.0.12:6432';

describe('a client that asks for a database', () => {
  test('gets it, with endpoints, version and granted secrets', async () => {
    const world = await served(aClient(7, 'shop'));
    assert.ok(world.databases.includes('shop'));
    assert.deepEqual(world.committed.bags[7], {
      data: JSON.stringify({ database: 'shop', 'requested-secrets': requested }),
      database: 'shop',
      endpoints,
      'read-only-endpoints': '10.0.0.11:5432,10.0.0.12:5432',
      version: '15.18',
      'secret-user': 'secret:user7',
      'secret-tls': 'secret:tls7',
    });
    const password = world.passwords['relation-7'];
    const login = `postgresql://relation-7:${password}@`;
    assert.deepEqual(world.committed.secrets['database.7.user.secret'], {
      id: 'user7',
      content: {
        username: 'relation-7',
        password,
        uris: `${login}${endpoints}/shop?target_session_attrs=read-write`,
        'single-host-uris': `${login}10.0.0.10:6432/shop`,
        'read-only-uris': `${login}10.0.0.11:5432,10.0.0.12:5432/shop`,
        'single-host-read-only-uris': `${login}10.0.0.11:5432/shop`,
      },
      grants: [7],
    });
  });

  test('is left alone once it is served', async () => {
    const world = await served(aClient(7, 'shop'));
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
  });

  test('hears nothing before every reachable pooler would let it in', async () => {
    const world = aWorld(aClient(7, 'shop'));
    const { findings } = await world.hook();
    assert.partialDeepStrictEqual(findings, [{ level: 'waiting', code: 'client-not-routed' }]);
    assert.equal(world.committed.bags[7], undefined);
    world.agentsCatchUp();
    await world.hook();
    assert.equal(world.committed.bags[7]?.['secret-user'], 'secret:user7');
  });

  test('is not held up by units that cannot be reached', async () => {
    const world = aWorld(aClient(7, 'shop'));
    world.unreachable = ['postgresql/1', 'postgresql/2'];
    await world.settle();
    assert.equal(world.committed.bags[7]?.['secret-user'], 'secret:user7');
  });

  test('waits until the own PostgreSQL lets the role in, too', async () => {
    const world = aWorld(aClient(7, 'shop'));
    world.ownRules = [];
    await world.settle();
    assert.equal(world.committed.bags[7]?.['secret-user'], undefined);
    world.ownRules = undefined;
    await world.settle();
    assert.equal(world.committed.bags[7]?.['secret-user'], 'secret:user7');
  });

  test('waits for a primary, and says so', async () => {
    const world = aWorld(aClient(7, 'shop'));
    world.primary = undefined;
    const { findings, kinds } = await world.hook();
    assert.deepEqual(kinds, []);
    assert.partialDeepStrictEqual(findings, [{ level: 'waiting', code: 'no-primary' }]);
  });

  test('has asked for nothing yet: nothing is done or said', async () => {
    const world = aWorld(aClient(7, '', { remoteApp: {} }));
    await world.hook(); // Makes the roles of the instance, whoever comes.
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
    assert.deepEqual(world.committed.bags, {});
  });

  test('is served by the leader alone', async () => {
    const world = aWorld(aClient(7, 'shop'));
    world.isLeader = false;
    assert.deepEqual(await world.hook(), { findings: [], plan: [], kinds: [] });
  });

  test('shares a database with whoever asks for the same, with a login of its own', async () => {
    const world = await served(aClient(7, 'shop'), aClient(8, 'shop'));
    assert.deepEqual(world.databases, ['postgres', 'shop']);
    assert.notEqual(world.passwords['relation-7'], world.passwords['relation-8']);
  });
});

describe('a hook that dies', () => {
  // A client is served in two hooks with the agents between them: ten steps in all.
  for (let deaths = 0; deaths <= 10; deaths++) {
    test(`before step ${deaths} is finished by the next`, async () => {
      const world = aWorld(aClient(7, 'shop'));
      await world.hook(deaths);
      world.agentsCatchUp();
      await world.hook(deaths);
      await world.settle();
      const whole = await served(aClient(7, 'shop'));
      assert.deepEqual(
        Object.keys(world.committed.bags[7] ?? {}),
        Object.keys(whole.committed.bags[7] ?? {}),
      );
      // The password that the client is told is the one that its role has.
      const secret = world.committed.secrets['database.7.user.secret'];
      assert.equal(secret?.content['password'], world.passwords['relation-7']);
      assert.deepEqual(secret?.grants, [7]);
      assert.deepEqual((await world.hook()).kinds, []);
    });
  }

  test('before any step of a removal is finished by the next', async () => {
    for (const deaths of [0, 1, 2]) {
      const world = await served(aClient(7, 'shop'));
      world.clients = [aClient(7, 'shop', { ending: true })];
      await world.hook(deaths);
      await world.hook();
      assert.deepEqual(world.clientRoles(), []);
      assert.deepEqual(world.committed.secrets, {});
    }
  });
});

describe('no plan and no finding', () => {
  test('carries a password', async () => {
    const world = aWorld(aClient(7, 'shop'));
    const plans: string[] = [];
    for (let hook = 0; hook < 3; hook++) {
      const { plan, findings } = await world.hook();
      plans.push(...plan, JSON.stringify(findings));
      world.agentsCatchUp();
    }
    assert.ok(plans.some((text) => text.includes('issue-credentials')));
    const password = world.passwords['relation-7'];
    assert.ok(password !== undefined && !plans.join().includes(password));
  });
});

describe('when the primary moves', () => {
  test('endpoints, read-only endpoints and URIs follow; the password stays', async () => {
    const world = await served(aClient(7, 'shop'));
    const before = world.committed.secrets['database.7.user.secret']?.content['password'];
    world.primary = 'postgresql-2';
    const { kinds } = await world.hook();
    assert.deepEqual(kinds, ['update-credentials', 'relation-set']);
    const moved = '10.0.0.12:6432,10.0.0.10:6432,10.0.0.11:6432';
    assert.partialDeepStrictEqual(world.committed.bags[7], {
      endpoints: moved,
      'read-only-endpoints': '10.0.0.10:5432,10.0.0.11:5432',
    });
    const content = world.committed.secrets['database.7.user.secret']?.content;
    assert.equal(content?.['password'], before);
    const uris = `postgresql://relation-7:${before}@${moved}/shop?target_session_attrs=read-write`;
    assert.equal(content?.['uris'], uris);
    assert.deepEqual((await world.hook()).kinds, []);
  });
});

describe('a request that cannot be served', () => {
  const cases: [what: string, remoteApp: Record<string, string>, message: RegExp][] = [
    [
      'a reserved name',
      { database: 'postgres' },
      /^app-7 asks for database "postgres": .*reserved/,
    ],
    [
      'a role',
      { database: 'shop', 'extra-user-roles': 'SUPERUSER,pg_monitor' },
      /extra-user-roles "pg_monitor,superuser"; allowed is one of charmed_admin, /,
    ],
  ];
  for (const [what, remoteApp, message] of cases) {
    test(`(${what}) blocks with its reason, touches nothing, and hinders no other`, async () => {
      const bad = aClient(7, '', { remoteApp });
      const world = await served(bad, aClient(8, 'bank'));
      const { findings, kinds } = await world.hook();
      assert.deepEqual(kinds, []);
      assert.partialDeepStrictEqual(findings, [
        { level: 'blocked', code: 'client-request-invalid' },
      ]);
      assert.match(findings[0]?.message ?? '', message);
      assert.deepEqual(world.databases, ['postgres', 'bank']);
      assert.ok(world.committed.bags[8]?.['secret-user']);
      assert.match(world.committed.bags[7]?.['status'] ?? '', /"message":"app-7 asks for/);

      bad.remoteApp = { database: 'shop', 'requested-secrets': requested };
      await world.settle();
      assert.deepEqual((await world.hook()).findings, []);
      assert.ok(world.committed.bags[7]?.['secret-user']);
      assert.equal(world.committed.bags[7]?.['status'], undefined);
    });
  }

  test('as a change of what was given before is refused as well', async () => {
    const world = await served(aClient(7, 'shop'));
    world.clients = [aClient(7, 'bank')];
    const before = world.committed.bags[7];
    const { findings } = await world.hook();
    assert.match(findings[0]?.message ?? '', /was given database shop/);
    // All that it was given stays; it hears why there is no more.
    const { status, ...rest } = world.committed.bags[7] ?? {};
    assert.deepEqual(rest, before);
    assert.match(status ?? '', /"code":5001,"message":"app-7 was given database shop/);
    assert.deepEqual((await world.hook()).kinds, []);
    world.clients = [aClient(7, 'shop')];
    await world.hook();
    assert.deepEqual(world.committed.bags[7], before);
  });
});

describe('a relation that ends', () => {
  test('takes its role and secrets away and leaves the data, and nobody else notices', async () => {
    const world = await served(aClient(7, 'shop'), aClient(8, 'bank'));
    world.clients = [aClient(7, 'shop', { ending: true }), aClient(8, 'bank')];
    const { kinds } = await world.hook();
    assert.deepEqual(kinds, ['drop-client', 'remove-secret', 'remove-secret']);
    assert.deepEqual(world.databases, ['postgres', 'shop', 'bank']);
    assert.deepEqual(world.clientRoles(), ['relation-8']);
  });

  test('while there is no primary loses its role as soon as there is one', async () => {
    const world = await served(aClient(7, 'shop'));
    world.primary = undefined;
    world.clients = [aClient(7, 'shop', { ending: true })];
    await world.hook();
    world.clients = [];
    world.primary = 'postgresql-1';
    assert.deepEqual((await world.hook()).kinds, ['drop-client']);
    assert.deepEqual(world.clientRoles(), []);
  });

  test('and comes back finds its data, with another login', async () => {
    const world = await served(aClient(7, 'shop'));
    world.clients = [aClient(7, 'shop', { ending: true })];
    await world.hook();
    world.clients = [aClient(9, 'shop')];
    await world.settle();
    assert.equal(
      world.committed.secrets['database.9.user.secret']?.content['username'],
      'relation-9',
    );
    assert.deepEqual(world.databases, ['postgres', 'shop']);
  });
});

describe('access rules', () => {
  test("name the client's role, its database, its networks and those of all poolers", () => {
    const world = aWorld(aClient(7, 'shop'));
    world.isLeader = false; // Every unit computes the same.
    assert.deepEqual(accessRules(world.snapshot()), [
      {
        user: 'relation-7',
        databases: ['shop'],
        networks: ['10.0.0.10/32', '10.0.0.11/32', '10.0.0.12/32', '192.168.0.7/32'],
      },
    ]);
  });

  test('leave out who has not asked, may not ask, or goes', () => {
    const world = aWorld(
      aClient(5, '', { remoteApp: {} }),
      aClient(6, 'postgres'),
      aClient(7, 'shop', { ending: true }),
    );
    assert.deepEqual(accessRules(world.snapshot()), []);
  });

  test('do not let a databag smuggle in a line', () => {
    const data = { 'egress-subnets': '10.9.0.0/16,0.0.0.0/0 trust\nhost all all 0.0.0.0/0 trust' };
    const world = aWorld(aClient(7, 'shop', { units: [{ name: 'app-7/0', data }] }));
    const lines = hbaLines(accessRules(world.snapshot()));
    assert.equal(lines.length, 4);
    for (const line of lines) {
      assert.match(line, /^host "shop" "relation-7" 10\.[\d.]+\/\d+ scram-sha-256$/);
    }
  });
});

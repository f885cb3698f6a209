/**
 * Certificates of others in the life of a unit: asked for, put in force, renewed, revoked, changed
 * with their CA, gone wrong, given up. Every way there may be cut short before any step.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Provider, provider, TlsWorld } from '../support/tls-world.ts';

async function plain(): Promise<TlsWorld> {
  const world = new TlsWorld();
  await world.settle();
  return world;
}

/** A unit that shows clients a certificate and speaks to its members with another. */
async function related(change: Partial<Provider> = {}): Promise<TlsWorld> {
  const world = await plain();
  world.providers = {
    'client-certificates': provider(change),
    'peer-certificates': provider(change),
  };
  await world.settle();
  return world;
}

const clients = (world: TlsWorld): Provider => {
  const found = world.providers['client-certificates'];
  if (found === undefined) throw new Error('no provider is related');
  return found;
};
const patroni = (world: TlsWorld) =>
  JSON.parse(world.files[world.snapshot().layout.patroniConfig] ?? '{}');
/** What would be the same again, without numbers of requests. */
const result = (world: TlsWorld) => ({ shown: world.shown(), own: world.committed.own });

describe('a unit with providers of certificates', () => {
  test('shows them, lets nobody in without TLS, and then has nothing left to do', async () => {
    const world = await related();
    const { postgres, pooler, ca } = world.shown();
    assert.deepEqual({ postgres, pooler, ca }, { postgres: true, pooler: true, ca: 'first CA' });
    const { postgresql, restapi, ctl } = patroni(world);
    assert.equal(postgresql.parameters.ssl, 'on');
    const network = postgresql.pg_hba.filter((line: string) => !line.startsWith('local'));
    assert.ok(network.length > 0);
    for (const line of network) assert.match(line, /^hostssl /);
    assert.match(restapi.certfile, /\/tls\/peer-[0-9a-f]{16}\.cert\.pem$/);
    assert.match(ctl.cacert, /\/tls\/peer-ca-[0-9a-f]{16}\.pem$/);
    assert.equal(world.desired()?.patroni.ca, ctl.cacert);
    const bundle = world.files[ctl.cacert] ?? '';
    assert.deepEqual(bundle.split('\n'), ['secret of internal-ca', 'first CA', '']);
    const { kinds, status } = await world.hook();
    assert.deepEqual(kinds, []);
    assert.deepEqual(status, { status: 'active', message: 'Primary' });
  });

  test('tells the others whom it shows, and its agent when to look again', async () => {
    const world = await related();
    assert.equal(world.committed.own['client-ca'], 'first CA');
    assert.equal(world.committed.own['peer-ca'], 'first CA');
    assert.deepEqual(world.desired()?.wake.at, [1000, 2000]);
    assert.equal(world.desired()?.postgres.tls, true);
  });

  test('asks for its name and addresses, for new ones when they change', async () => {
    const world = await related();
    const names = () => world.committed.requests['client-certificates']?.['names'];
    assert.equal(names(), '["10.0.0.10","postgresql-0","machine-1"]');
    const before = world.committed.requests['client-certificates']?.['csr'];
    world.hostName = 'machine-2';
    const { status } = await world.settle();
    assert.equal(names(), '["10.0.0.10","postgresql-0","machine-2"]');
    assert.notEqual(world.committed.requests['client-certificates']?.['csr'], before);
    assert.equal(status?.status, 'active');
  });

  test('shows no key in any plan, log or status', async () => {
    const world = await plain();
    world.providers = { 'client-certificates': provider() };
    const said: string[] = [];
    for (let event = 0; event < 6; event++) {
      said.push(...(await world.hook()).plan);
      world.reality();
    }
    const secrets = world.secrets().filter((secret) => secret.startsWith('secret key'));
    assert.ok(secrets.some((secret) => secret.startsWith('secret key number')));
    for (const secret of secrets) assert.ok(!said.join('\n').includes(secret), secret);
  });

  test('waits for the first certificate and serves as before', async () => {
    const world = await related({ authority: undefined });
    const { status, kinds } = await world.hook();
    assert.deepEqual(status, {
      status: 'waiting',
      message: 'waiting for ca to issue a certificate',
    });
    assert.deepEqual(kinds, []);
    assert.equal(world.shown().postgres, false);
    assert.equal(patroni(world).postgresql.parameters.ssl, 'off');
  });
});

describe('a certificate that does not last', () => {
  test('is renewed with a new key, and serves until the new one is there', async () => {
    const world = await related();
    const before = world.shown();
    clients(world).age = 'due';
    clients(world).authority = undefined;
    await world.settle();
    assert.deepEqual(world.shown(), before, 'nothing is due that the provider does not offer');
    clients(world).authority = 'first CA';
    await world.hook();
    clients(world).authority = undefined;
    await world.settle();
    assert.equal(world.committed.requests['client-certificates']?.['csr'], 'request 3');
    assert.deepEqual(world.shown(), before);
    Object.assign(clients(world), { authority: 'first CA', age: 'young' });
    const { status } = await world.settle();
    assert.notDeepEqual(world.shown().files, before.files);
    assert.equal(world.shown().files.length, before.files.length, 'the old files have gone');
    assert.equal(status?.status, 'active');
  });

  test('leaves its files until Patroni must have read of the new ones', async () => {
    const world = await related();
    const before = world.shown().files;
    world.settled = false;
    for (const each of Object.values(world.providers)) each.authority = 'second CA';
    await world.settle();
    assert.ok(before.every((path) => world.shown().files.includes(path)));
    world.settled = true;
    await world.settle();
    assert.equal(world.shown().files.length, before.length);
    assert.ok(!before.some((path) => world.shown().files.includes(path)));
  });

  test('is replaced when it was revoked', async () => {
    const world = await related();
    clients(world).revoked = [world.committed.requests['client-certificates']?.['csr'] ?? ''];
    const { status } = await world.settle();
    assert.equal(world.committed.requests['client-certificates']?.['csr'], 'request 3');
    assert.equal(world.shown().ca, 'first CA');
    assert.equal(status?.status, 'active');
  });

  test('goes on serving when it has expired, with a word about it', async () => {
    const world = await related();
    clients(world).authority = undefined;
    clients(world).age = 'expired';
    const { status } = await world.settle();
    assert.equal(status?.status, 'blocked');
    assert.match(status?.message ?? '', /^client-certificates: the certificate has expired; ca /);
    assert.equal(world.shown().postgres, true);
  });

  test('that expires between members gives way to the internal one', async () => {
    const world = await related();
    Object.assign(world.providers['peer-certificates'] ?? {}, {
      authority: undefined,
      age: 'expired',
    });
    const { status } = await world.settle();
    assert.match(status?.message ?? '', /^peer-certificates: the certificate has expired/);
    assert.equal(patroni(world).restapi.certfile, world.snapshot().layout.tls.cert);
    assert.match(patroni(world).ctl.cacert, /peer-ca/, 'what others show is still trusted');
  });
});

describe('a provider', () => {
  for (const fault of ['other-key', 'other-authority'] as const) {
    test(`that gives a certificate with a fault (${fault}) changes nothing`, async () => {
      const world = await related();
      const before = world.shown();
      world.hostName = 'renamed';
      for (const each of Object.values(world.providers)) each.fault = fault;
      const { status } = await world.settle();
      assert.deepEqual(world.shown(), before);
      assert.equal(status?.status, 'blocked');
      assert.match(status?.message ?? '', /^client-certificates: the certificate that ca gave is/);
      for (const each of Object.values(world.providers)) each.fault = undefined;
      assert.equal((await world.settle()).status?.status, 'active');
      assert.notDeepEqual(world.shown(), before);
    });
  }

  test('that withdraws everything changes nothing', async () => {
    const world = await related();
    const before = world.shown();
    for (const each of Object.values(world.providers)) each.authority = undefined;
    const { status } = await world.settle();
    assert.deepEqual(world.shown(), before);
    assert.equal(status?.status, 'active');
  });

  test('with another CA is followed; the old is trusted while a unit shows it', async () => {
    const world = await related();
    world.others = [
      {
        name: 'postgresql/1',
        data: { 'client-ca': 'first CA', 'peer-ca': 'first CA' },
        dying: false,
      },
    ];
    for (const each of Object.values(world.providers)) each.authority = 'second CA';
    await world.settle();
    assert.equal(world.shown().ca, 'second CA');
    const bundle = () => world.files[patroni(world).ctl.cacert] ?? '';
    assert.match(bundle(), /first CA\nsecond CA\n$/);
    world.others = [];
    await world.settle();
    assert.match(bundle(), /internal-ca\nsecond CA\n$/);
  });

  test('that is given up leaves a unit as it was before', async () => {
    const before = await plain();
    const world = await related();
    for (const each of Object.values(world.providers)) each.ending = true;
    await world.hook('client-certificates-relation-broken');
    world.providers = {};
    await world.settle();
    assert.deepEqual(result(world), result(before));
    assert.deepEqual(world.committed.requests, {});
    assert.deepEqual(patroni(world), patroni(before));
    assert.ok(patroni(world).postgresql.pg_hba.every((line: string) => !/ssl/.test(line)));
  });
});

describe('a hook that dies', () => {
  const ways: [what: string, change: (world: TlsWorld) => void][] = [
    [
      'while certificates come',
      (world) => {
        world.providers = {
          'client-certificates': provider(),
          'peer-certificates': provider(),
        };
      },
    ],
    [
      'while the CA changes',
      (world) => {
        for (const each of Object.values(world.providers)) each.authority = 'second CA';
      },
    ],
    [
      'while they are given up',
      (world) => {
        for (const each of Object.values(world.providers)) each.ending = true;
      },
    ],
  ];
  for (const [index, [what]] of ways.entries()) {
    test(`${what} is finished by the next, wherever it was cut`, async () => {
      const until = async () => {
        const world = await plain();
        for (const [, change] of ways.slice(0, index)) {
          change(world);
          await world.settle();
        }
        ways[index]?.[1](world);
        return world;
      };
      const whole = await until();
      const steps = (await whole.hook()).kinds.length;
      whole.reality();
      await whole.settle();
      assert.ok(steps > 3, `only ${steps} steps`);
      for (let dieBefore = 0; dieBefore < steps; dieBefore++) {
        const world = await until();
        assert.equal((await world.hook('config-changed', dieBefore)).kinds.length, dieBefore);
        world.reality();
        const { kinds } = await world.settle();
        assert.deepEqual(kinds, []);
        const { files, ...shown } = world.shown();
        const { files: expected, ...rest } = whole.shown();
        assert.deepEqual(shown, rest, `cut before step ${dieBefore}`);
        assert.equal(files.length, expected.length);
        assert.deepEqual(world.committed.own, whole.committed.own);
      }
    });
  }
});

/** The text of the files of PgBouncer, with names that try to break out of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Desired } from '../../../src/charm/model/desired.ts';
import { type PoolerContent, renderPooler } from '../../../src/charm/workload/pgbouncer.ts';

const desired = {
  unit: { address: '10.0.0.1' },
  paths: { etc: '/b/etc', run: '/b/run' },
  postgres: { port: 5432 },
  pooler: {
    port: 6432,
    mode: 'transaction',
    maxClientConnections: 100,
    poolSize: 10,
    maxPreparedStatements: 0,
    access: [{ user: 'app', databases: ['shop'], networks: ['10.0.0.0/24', 'fd00::/64'] }],
  },
} as unknown as Desired;
const content: PoolerContent = {
  topology: { primary: '10.0.0.1', readers: ['10.0.0.2', '10.0.0.3'] },
  databases: ['shop', 'postgres'],
  users: [{ name: 'app', verifier: 'SCRAM-SHA-256$4096:a$b:c' }],
  admin: 'root',
};
const ini = (change: Partial<PoolerContent>) =>
  renderPooler(desired, { ...content, ...change }).ini.split('\n');

describe('users', () => {
  test('with a limit wait for a connection instead of being refused one', () => {
    const access = [
      { user: 'relation-7', databases: ['shop'], networks: [], connectionLimit: 5 },
      { user: 'relation-8', databases: ['shop'], networks: [] },
      { user: 'a = b', databases: ['shop'], networks: [], connectionLimit: 6 },
    ];
    const limited = { ...desired, pooler: { ...desired.pooler, access } };
    const { ini: text } = renderPooler(limited, content);
    assert.match(text, /\n\[users\]\nrelation-7 = max_user_connections=5\n\n\[pgbouncer\]/);
    assert.ok(!ini({}).includes('[users]'));
  });
});

describe('databases', () => {
  test('each leads to the primary and its alias to the readers', () => {
    const lines = ini({});
    assert.ok(lines.includes('shop = host=10.0.0.1 port=5432 dbname=shop'));
    assert.ok(lines.includes('shop_readonly = host=10.0.0.2,10.0.0.3 port=5432 dbname=shop'));
    assert.ok(lines.includes('* = host=10.0.0.1 port=5432'));
  });

  test('without readers the alias leads to the primary', () => {
    const lines = ini({ topology: { primary: '10.0.0.1', readers: [] } });
    assert.ok(lines.includes('shop_readonly = host=10.0.0.1 port=5432 dbname=shop'));
  });

  test('refused clients of the primary are led to a socket, readers go on to replicas', () => {
    const readers = ['10.0.0.2'];
    const lines = ini({ topology: { primary: '10.0.0.1', readers, refuses: true } });
    assert.ok(lines.includes('shop = host=/b/run port=6433 dbname=shop'));
    assert.ok(lines.includes('* = host=/b/run port=6433'));
    assert.ok(lines.includes('shop_readonly = host=10.0.0.2 port=5432 dbname=shop'));
  });

  test('without a primary nothing is led anywhere', () => {
    const lines = ini({ topology: { primary: undefined, readers: [] } });
    assert.equal(lines.filter((line) => line.includes('host=')).length, 0);
  });

  test('a database of the name of an alias, or of the console, is not overridden', () => {
    const lines = ini({ databases: ['shop', 'shop_readonly', 'pgbouncer'] });
    assert.equal(lines.filter((line) => line.startsWith('shop_readonly ')).length, 1);
    assert.ok(lines.includes('shop_readonly = host=10.0.0.1 port=5432 dbname=shop_readonly'));
    assert.ok(!lines.some((line) => line.startsWith('pgbouncer ')));
  });

  test('no name of a database can add a line or a setting', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const lines = ini({ databases: [name] });
        const own = lines.filter((line) => line.includes('dbname='));
        assert.ok(own.length <= 2);
        assert.equal(lines.length - own.length, ini({ databases: [] }).length);
      }),
    );
  });
});

describe('users', () => {
  const users = (names: string[]) =>
    renderPooler(desired, {
      ...content,
      users: names.map((name) => ({ name, verifier: 'v' })),
    }).userlist;

  test('carry their verifiers; the console has a name without a password', () => {
    assert.equal(users(['b', 'a"x']), '"a""x" "v"\n"b" "v"\n"root" ""\n');
  });

  test('a role of the name of the console user keeps its verifier', () => {
    assert.equal(users(['root']), '"root" "v"\n');
  });

  test('a name with a line break is left out', () => {
    assert.equal(users(['a\nb']), '"root" ""\n');
  });
});

describe('hba', () => {
  test('lets rules in, their aliases too, and nobody else; the console only by its socket', () => {
    assert.deepEqual(renderPooler(desired, content).hba.trim().split('\n'), [
      'local pgbouncer "root" peer',
      'host pgbouncer all 0.0.0.0/0 reject',
      'host pgbouncer all ::/0 reject',
      'host "shop" "app" 10.0.0.0/24 scram-sha-256',
      'host "shop_readonly" "app" 10.0.0.0/24 scram-sha-256',
      'host "shop" "app" fd00::/64 scram-sha-256',
      'host "shop_readonly" "app" fd00::/64 scram-sha-256',
    ]);
  });
});

test('prepared statements are a setting only where there are any', () => {
  assert.ok(!ini({}).some((line) => line.includes('max_prepared_statements')));
  const pooler = { ...desired.pooler, maxPreparedStatements: 200 };
  const text = renderPooler({ ...desired, pooler }, content).ini;
  assert.match(text, /^max_prepared_statements = 200$/m);
});

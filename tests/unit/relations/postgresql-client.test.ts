/** The postgresql_client codec: round trips, refusals, and databags of strangers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  parseRequest,
  parseResponse,
  postgresqlUri,
  providerData,
  requestData,
  tlsSecret,
  userSecret,
} from '../../../lib/relations/postgresql-client.ts';

const facts = {
  database: 'shop',
  endpoints: '10.0.0.1:6432,10.0.0.2:6432',
  readOnlyEndpoints: '10.0.0.2:5432',
  version: '16.4',
};
const everything = { uris: true, readOnlyUris: true, tls: true };

/** Databags of a stranger: known keys with anything in them, and keys nobody knows. */
const hostileBag = fc.dictionary(
  fc.oneof(
    fc.constantFrom('database', 'extra-user-roles', 'requested-secrets', 'entity-type', 'data'),
    fc.string(),
  ),
  fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constantFrom('shop', 'a*', '"', '\n', '')),
);

describe('a request', () => {
  test('of the upstream client library, with everything it sends', () => {
    const requested = ['username', 'password', 'tls', 'tls-ca', 'uris', 'read-only-uris'];
    const parsed = parseRequest({
      database: 'shop',
      'extra-user-roles': 'CHARMED_READ,relation_access , charmed_dml',
      'external-node-connectivity': 'true',
      'requested-secrets': JSON.stringify(requested),
    });
    assert.deepEqual(parsed, {
      ok: true,
      request: {
        database: 'shop',
        extraUserRoles: ['charmed_dml', 'charmed_read'],
        wants: everything,
      },
    });
  });

  test('that has not been made is no request, whatever else is in the databag', () => {
    assert.equal(parseRequest({}), undefined);
    assert.equal(parseRequest({ 'requested-secrets': 'x' }), undefined);
  });

  test('of an older client gets the fields it knows and no others', () => {
    const parsed = parseRequest({ database: 'shop', 'requested-secrets': '["password","uris"]' });
    assert.ok(parsed?.ok);
    assert.deepEqual(parsed.request.wants, { uris: true, readOnlyUris: false, tls: false });
  });

  const refused: [what: string, bag: Record<string, string>, reason: RegExp][] = [
    ['an empty name', { database: '' }, /empty/],
    ['a name of 50 bytes', { database: 'x'.repeat(50) }, /at most 49 bytes/],
    ['a name of 25 two-byte letters', { database: 'é'.repeat(25) }, /at most 49 bytes/],
    ['postgres', { database: 'postgres' }, /"postgres": the name is reserved/],
    ['a template in capitals', { database: 'TEMPLATE1' }, /reserved/],
    ['the console of the pooler', { database: 'pgbouncer' }, /reserved/],
    ['a keyword of access rules', { database: 'all' }, /reserved/],
    ['an alias of the pooler', { database: 'shop_readonly' }, /aliases/],
    ['a quote', { database: 'a"b' }, /letters, digits/],
    ['a second line', { database: 'shop\nhost all all' }, /letters, digits/],
    ['an option', { database: '-shop' }, /letters, digits/],
    ['a list', { database: 'shop,bank' }, /letters, digits/],
    ['a prefix', { database: 'shop*' }, /prefix/],
    ['prefix matching', { database: 'shop', 'prefix-matching': 'all' }, /prefix/],
    ['a group', { database: 'shop', 'entity-type': 'GROUP' }, /entity of type "GROUP"/],
    ['a user name', { database: 'shop', 'requested-entity-secret': 'secret:x' }, /user name/],
    ['secrets that are no list', { database: 'shop', 'requested-secrets': '{}' }, /JSON list/],
    ['the newer protocol', { version: 'v1', requests: '[]' }, /v1/],
  ];
  for (const [what, bag, reason] of refused) {
    test(`with ${what} is refused with its reason`, () => {
      const parsed = parseRequest(bag);
      assert.ok(parsed !== undefined && !parsed.ok);
      assert.match(parsed.reason, reason);
    });
  }

  test('with the longest name, or letters of any script, is accepted', () => {
    for (const database of [
      'x'.repeat(49),
      'café',
      'магазин',
      'first-database',
      '2024.q1',
      'हिन्दी',
    ]) {
      assert.equal(parseRequest({ database })?.ok, true, database);
    }
  });

  test('whatever a stranger writes, what is accepted is safe in every file it goes into', () => {
    fc.assert(
      fc.property(hostileBag, (bag) => {
        const parsed = parseRequest(bag);
        if (parsed === undefined) return;
        if (parsed.ok)
          assert.match(parsed.request.database, /^[^\s"'\\,;:/=#*+&@[\]{}()-][^\s"'\\,;:/=#*+]*$/);
        else assert.doesNotMatch(parsed.reason, /[\n\r]/);
      }),
      { numRuns: 500 },
    );
  });

  test('round trip: what a client sends is what is parsed', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/).filter((it) => it !== 'databases');
    fc.assert(
      fc.property(name, fc.subarray(['charmed_dml', 'charmed_read']), (database, roles) => {
        const parsed = parseRequest(requestData({ database, extraUserRoles: roles.join(',') }));
        assert.deepEqual(parsed, {
          ok: true,
          request: { database, extraUserRoles: roles, wants: everything },
        });
      }),
    );
  });
});

describe('an answer', () => {
  const login = { username: 'relation-7', password: 'p/w:@%' };

  test('repeats what the client had asked, without its cache', () => {
    const bag = { database: 'shop', 'extra-user-roles': 'x', data: '{"old":1}' };
    assert.deepEqual(providerData(facts, bag), {
      data: '{"database":"shop","extra-user-roles":"x"}',
      database: 'shop',
      endpoints: '10.0.0.1:6432,10.0.0.2:6432',
      'read-only-endpoints': '10.0.0.2:5432',
      version: '16.4',
    });
  });

  test('carries one URI with every host, user and password encoded', () => {
    assert.equal(
      userSecret(login, facts, everything)['uris'],
      'postgresql://relation-7:p%2Fw%3A%40%25@10.0.0.1:6432,10.0.0.2:6432/shop',
    );
  });

  test('leaves out of the secret what the client does not read', () => {
    const content = userSecret(login, facts, { uris: false, readOnlyUris: false, tls: false });
    assert.deepEqual(content, login);
  });

  test('a URI gives back any login and any database', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 });
    fc.assert(
      fc.property(text, text, text, (username, password, database) => {
        const url = new URL(postgresqlUri({ username, password }, 'h:6432', database));
        assert.equal(decodeURIComponent(url.username), username.toWellFormed());
        assert.equal(decodeURIComponent(url.password), password.toWellFormed());
        assert.equal(url.host, 'h:6432');
      }),
    );
  });

  test('round trip: the client reads what the provider has published', () => {
    const bag = providerData(facts, requestData({ database: 'shop', extraUserRoles: '' }));
    const user = userSecret(login, facts, everything);
    assert.deepEqual(parseResponse(bag, user, tlsSecret(undefined)), {
      ...facts,
      ...login,
      uris: user['uris'],
      readOnlyUris: user['read-only-uris'],
      tls: false,
      tlsCa: undefined,
    });
    assert.partialDeepStrictEqual(parseResponse(bag, user, tlsSecret('PEM')), {
      tls: true,
      tlsCa: 'PEM',
    });
  });

  test('is none before the login can be read', () => {
    const bag = providerData(facts, {});
    assert.equal(parseResponse(bag, undefined, undefined), undefined);
    assert.equal(parseResponse(bag, { username: 'relation-7' }, undefined), undefined);
    assert.equal(parseResponse({}, login, undefined), undefined);
  });
});

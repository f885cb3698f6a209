/** The postgresql_client codec: round trips, refusals, and databags of strangers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  answerData,
  loginSecret,
  parseResponse,
  postgresqlUri,
  saidIds,
  saidOf,
  tlsSecret,
} from '../../../lib/relations/postgresql-client.ts';
import {
  type ClientRequest,
  certificateIn,
  EXTRA_ROLES,
  parseRequests,
  requestData,
  requestDataV1,
} from '../../../lib/relations/postgresql-client-request.ts';

const facts = {
  database: 'shop',
  endpoints: '10.0.0.1:6432,10.0.0.2:6432',
  readOnlyEndpoints: '10.0.0.2:5432',
  version: '16.4',
};
const everything = { uris: true, readOnlyUris: true, tls: true };
const plain: ClientRequest = {
  id: undefined,
  resource: { database: 'shop' },
  entity: 'login',
  roles: [],
  external: false,
  entitySecret: undefined,
  wants: everything,
};

/** The one request of a databag, which is of v0. */
function parseRequest(bag: Record<string, string>) {
  const asked = parseRequests(bag);
  assert.equal(asked?.requests.length ?? 1, 1);
  return asked?.requests[0];
}

/** Databags of a stranger: known keys with anything in them, and keys nobody knows. */
const hostileBag = fc.dictionary(
  fc.oneof(
    fc.constantFrom('database', 'extra-user-roles', 'requested-secrets', 'entity-type', 'data'),
    fc.constantFrom('version', 'requests', 'requested-entity-secret', 'prefix-matching'),
    fc.string(),
  ),
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom('shop', 'a*', 'abc*', '"', '\n', '', 'v1', 'GROUP', 'superuser'),
  ),
);
/** A list of v1 that looks like one. */
const hostileList = fc.array(
  fc.dictionary(
    fc.oneof(
      fc.constantFrom('request-id', 'resource', 'salt', 'entity-type', 'extra-user-roles'),
      fc.constantFrom('entity-permissions', 'external-node-connectivity', '__proto__'),
      fc.string(),
    ),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.jsonValue(),
      fc.constantFrom<unknown>('0123456789abcdef', 'fedcba9876543210', 'shop', 'abc*', null, true),
    ),
  ),
  { maxLength: 4 },
);
const SAFE = /^[^\s"'\\,;:/=#*+&@[\]{}()-][^\s"'\\,;:/=#*+]*$/;

describe('a request', () => {
  test('of the upstream client library, with everything it sends', () => {
    const requested = ['username', 'password', 'tls', 'tls-ca', 'uris', 'read-only-uris'];
    const parsed = parseRequest({
      database: 'shop',
      'extra-user-roles': 'CREATEDB,relation_access , charmed_admin',
      'external-node-connectivity': 'true',
      'requested-secrets': JSON.stringify(requested),
      'provided-secrets': '["mtls-cert"]',
    });
    const roles = ['charmed_admin', 'createdb'];
    assert.deepEqual(parsed, { ok: true, request: { ...plain, roles, external: true } });
  });

  test('with a client certificate, in a secret of either version or as it is', () => {
    const wish = { database: 'shop', extraUserRoles: '', certificateSecret: 'secret:c' };
    for (const bag of [requestData(wish), requestDataV1(wish, '0123456789abcdef', 'salt')]) {
      const parsed = parseRequest(bag);
      assert.deepEqual(parsed?.ok && parsed.request.certificate, { secret: 'secret:c' });
    }
    const parsed = parseRequest({ database: 'shop', 'mtls-cert': 'PEM' });
    assert.deepEqual(parsed?.ok && parsed.request.certificate, { pem: 'PEM' });
    assert.equal(certificateIn({ 'mtls-cert': 'one' }), 'one');
    assert.equal(certificateIn({ 'mtls-chain': 'all' }), 'all');
    assert.equal(certificateIn({}), undefined);
  });

  test('that has not been made is no request, whatever else is in the databag', () => {
    assert.equal(parseRequests({}), undefined);
    assert.equal(parseRequests({ 'requested-secrets': 'x' }), undefined);
    assert.equal(parseRequests({ version: 'v1' }), undefined);
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
    ['a prefix of two letters', { database: 'ab*' }, /at least 3 letters/],
    ['a prefix with a star inside', { database: 'abc*d*' }, /letters, digits/],
    ['a prefix that is a line', { database: 'ab\ncd*' }, /letters, digits/],
    ['part of a prefix', { database: 'abc*', 'prefix-matching': 'some' }, /only "all" is served/],
    ['matching without a prefix', { database: 'shop', 'prefix-matching': 'all' }, /end in "\*"/],
    ['an unknown entity', { database: 'shop', 'entity-type': 'USERS' }, /type "USERS"/],
    [
      'roles of users for a group',
      { database: 'shop', 'entity-type': 'GROUP', 'extra-user-roles': 'charmed_read' },
      /a group with extra-user-roles; that is for extra-group-roles/,
    ],
    [
      'roles of groups for a user',
      { database: 'shop', 'extra-group-roles': 'charmed_read' },
      /a user with extra-group-roles/,
    ],
    [
      'a superuser for a group',
      { database: 'shop', 'entity-type': 'GROUP', 'extra-group-roles': 'superuser' },
      /allowed is one of/,
    ],
    [
      'a name for a group',
      { database: 'shop', 'entity-type': 'GROUP', 'requested-entity-secret': 'secret:x' },
      /leave requested-entity-secret out/,
    ],
    [
      'permissions on what is not served',
      { database: 'shop', 'entity-permissions': '[{"resource_name":"t"}]' },
      /permissions on a ""; served are DATABASE/,
    ],
    [
      'a certificate for a group',
      { database: 'shop', 'entity-type': 'GROUP', 'secret-mtls': 'secret:c' },
      /a group, which has no sessions; leave mtls-cert out/,
    ],
    ['two roles', { database: 'shop', 'extra-user-roles': 'charmed_read,createdb' }, /one of/],
    ['an unknown role', { database: 'shop', 'extra-user-roles': 'pg_monitor' }, /"pg_monitor"/],
    ['secrets that are no list', { database: 'shop', 'requested-secrets': '{}' }, /JSON list/],
    ['a list of v1 that is none', { version: 'v1', requests: '{}' }, /not a JSON list/],
    ['a request that is no object', { version: 'v1', requests: '[1]' }, /not an object/],
    [
      'an id of another form',
      { version: 'v1', requests: '[{"request-id":"x"}]' },
      /16 hexadecimal digits/,
    ],
    [
      'a field of another type',
      {
        version: 'v1',
        requests: '[{"request-id":"0123456789abcdef","resource":"a","entity-type":1}]',
      },
      /a field that is no text/,
    ],
    [
      'no database',
      { version: 'v1', requests: '[{"request-id":"0123456789abcdef","entity-type":"USER"}]' },
      /the name is empty/,
    ],
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
    const lists = hostileList.map((list) => ({ version: 'v1', requests: JSON.stringify(list) }));
    fc.assert(
      fc.property(fc.oneof(hostileBag, lists), (bag) => {
        for (const parsed of parseRequests(bag)?.requests ?? []) {
          if (!parsed.ok) {
            assert.doesNotMatch(parsed.reason, /[\n\r]/);
            assert.ok(parsed.reason.length < 400);
            continue;
          }
          const { id, resource, roles } = parsed.request;
          assert.match('database' in resource ? resource.database : resource.prefix, SAFE);
          assert.match(id ?? '0123456789abcdef', /^[0-9a-f]{16}$/);
          assert.ok(roles.every((role) => EXTRA_ROLES.includes(role)));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('ids are not given twice', () => {
    const id = '0123456789abcdef';
    const requests = JSON.stringify([
      { 'request-id': id, resource: 'shop' },
      { 'request-id': id, resource: 'bank' },
    ]);
    const parsed = parseRequests({ version: 'v1', requests })?.requests ?? [];
    assert.deepEqual(
      parsed.map(({ ok }) => ok),
      [true, false],
    );
  });

  const wish = fc.record({
    database: fc
      .stringMatching(/^[a-z][a-z0-9-]{2,40}\*?$/)
      .filter((name) => !['all', 'databases'].includes(name)),
    extraUserRoles: fc.constantFrom('', 'charmed_dml', 'charmed_admin,createdb'),
    external: fc.boolean(),
  });

  test('round trip: what a client sends is what is parsed, in both versions', () => {
    fc.assert(
      fc.property(wish, fc.boolean(), (sent, newer) => {
        const id = '0123456789abcdef';
        const bag = newer ? requestDataV1(sent, id, 'salt') : requestData(sent);
        const { database: name, external } = sent;
        const resource = name.endsWith('*') ? { prefix: name.slice(0, -1) } : { database: name };
        const roles = sent.extraUserRoles.split(',').filter((role) => role !== '');
        assert.deepEqual(parseRequests(bag), {
          protocol: newer ? 'v1' : 'v0',
          requests: [
            {
              ok: true,
              request: { ...plain, id: newer ? id : undefined, resource, roles, external },
            },
          ],
        });
      }),
    );
  });
});

describe('an answer', () => {
  const login = { username: 'relation-7', password: 'p/w:@%' };
  const secrets = { user: 'secret:u', tls: 'secret:t' };
  const answer: Answer = { request: plain, facts, secrets };
  const given = (bag: Record<string, string | undefined>) =>
    Object.fromEntries(
      Object.entries(bag).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );

  test('repeats what the client had asked, without its cache', () => {
    const bag = { database: 'shop', 'extra-user-roles': 'x', data: '{"old":1}' };
    assert.deepEqual(given(answerData('v0', bag, [answer], [])), {
      data: '{"database":"shop","extra-user-roles":"x"}',
      database: 'shop',
      endpoints: '10.0.0.1:6432,10.0.0.2:6432',
      'read-only-endpoints': '10.0.0.2:5432',
      version: '16.4',
      'secret-user': 'secret:u',
      'secret-tls': 'secret:t',
    });
  });

  test('says why there is none', () => {
    const { status, ...rest } = answerData('v0', { database: 'all' }, [], ['app asks for x']);
    assert.deepEqual(given(rest), {});
    assert.deepEqual(JSON.parse(status ?? ''), [
      {
        code: 5001,
        message: 'app asks for x',
        resolution: 'ask for something that can be granted',
      },
    ]);
  });

  test('carries one URI with every host, and one with the first; all is encoded', () => {
    const content = loginSecret(login, facts, plain);
    const start = 'postgresql://relation-7:p%2Fw%3A%40%25@';
    assert.equal(
      content['uris'],
      `${start}10.0.0.1:6432,10.0.0.2:6432/shop?target_session_attrs=read-write`,
    );
    assert.equal(content['single-host-uris'], `${start}10.0.0.1:6432/shop`);
  });

  test('leaves out of the secret what the client does not read', () => {
    const wants = { uris: false, readOnlyUris: false, tls: false };
    assert.deepEqual(loginSecret(login, facts, { entity: 'login', wants }), login);
  });

  test('says whether there is TLS as each version reads it', () => {
    assert.deepEqual(tlsSecret(undefined, 'v0'), { tls: 'False', 'tls-ca': '' });
    assert.deepEqual(tlsSecret('PEM', 'v0'), { tls: 'True', 'tls-ca': 'PEM' });
    assert.equal(JSON.parse(tlsSecret('PEM', 'v1')['tls'] ?? ''), true);
    assert.equal(JSON.parse(tlsSecret(undefined, 'v1')['tls'] ?? ''), false);
  });

  test('a URI gives back any login and any database', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 });
    fc.assert(
      fc.property(text, text, text, (username, password, database) => {
        const url = new URL(postgresqlUri({ username, password }, '[fd00::1]:6432', database));
        assert.equal(decodeURIComponent(url.username), username.toWellFormed());
        assert.equal(decodeURIComponent(url.password), password.toWellFormed());
        assert.equal(url.host, '[fd00::1]:6432');
      }),
    );
  });

  test('round trip: the client reads what the provider has published, in both versions', () => {
    const user = loginSecret(login, facts, plain);
    const id = '0123456789abcdef';
    const wish = { database: 'shop', extraUserRoles: '' };
    const v0 = given(answerData('v0', requestData(wish), [answer], []));
    const newer = { ...answer, request: { ...plain, id } };
    const v1 = given(answerData('v1', requestDataV1(wish, id, 'salt'), [newer], []));
    assert.deepEqual(saidIds(v1), [id]);
    for (const bag of [v0, saidOf(v1, id)]) {
      const tls = tlsSecret('PEM', 'v0');
      assert.deepEqual(parseResponse({ bag, user, tls, entity: undefined }), {
        ...facts,
        ...login,
        uris: user['uris'],
        readOnlyUris: user['read-only-uris'],
        tls: true,
        tlsCa: 'PEM',
        group: false,
      });
    }
    assert.equal(parseResponse({ bag: saidOf(v1, 'other'), user, tls: {}, entity: {} }), undefined);
  });

  test('is none before the login can be read', () => {
    const bag = given(answerData('v0', {}, [answer], []));
    const none = { user: undefined, tls: undefined, entity: undefined };
    assert.equal(parseResponse({ ...none, bag }), undefined);
    assert.equal(parseResponse({ ...none, bag, user: { username: 'relation-7' } }), undefined);
    assert.equal(parseResponse({ ...none, bag: {}, user: { ...login } }), undefined);
    const group = parseResponse({ ...none, bag, entity: { 'entity-name': 'relation-7' } });
    assert.partialDeepStrictEqual(group, { username: 'relation-7', group: true });
  });

  test('of a stranger is read without harm', () => {
    fc.assert(
      fc.property(hostileBag, hostileBag, (bag, secret) => {
        const told = { bag: saidOf(bag, '0123456789abcdef'), tls: secret, entity: secret };
        parseResponse({ ...told, user: secret });
        parseResponse({ ...told, bag, user: undefined });
        assert.ok(Array.isArray(saidIds(bag)));
      }),
    );
  });
});

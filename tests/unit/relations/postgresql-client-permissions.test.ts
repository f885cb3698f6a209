/** Permissions that clients ask for: what is understood, what is refused, and hostile texts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  grantedObject,
  PRIVILEGES,
  parseGrant,
  parsePermissions,
} from '../../../lib/relations/postgresql-client-permissions.ts';
import {
  type Permission,
  parseRequests,
  requestData,
  requestDataV1,
} from '../../../lib/relations/postgresql-client-request.ts';

const permission = (type: string, name: string, ...privileges: string[]): Permission => ({
  resource_type: type,
  resource_name: name,
  privileges,
});
const parse = (...permissions: unknown[]) => parsePermissions(JSON.stringify(permissions), 'shop');
const grantsOf = (...permissions: unknown[]) => {
  const parsed = parse(...permissions);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.grants;
};
const CONNECT = 'DATABASE shop CONNECT';

describe('permissions', () => {
  const cases: [what: string, asked: unknown, grants: string[]][] = [
    [
      'on a table, with the way to it',
      permission('table', 'goods', 'select', 'INSERT'),
      [CONNECT, 'SCHEMA public USAGE', 'TABLE public.goods INSERT', 'TABLE public.goods SELECT'],
    ],
    [
      'on all tables of a schema',
      permission('TABLE', 'audit.*', 'SELECT'),
      [CONNECT, 'SCHEMA audit USAGE', 'TABLE audit.* SELECT'],
    ],
    [
      'on all sequences',
      permission('SEQUENCE', '*', 'USAGE'),
      [CONNECT, 'SCHEMA public USAGE', 'SEQUENCE public.* USAGE'],
    ],
    [
      'on a schema, all of them',
      permission('SCHEMA', 'Audit', 'all'),
      [CONNECT, 'SCHEMA Audit CREATE', 'SCHEMA Audit USAGE'],
    ],
    [
      'on its database',
      permission('DATABASE', 'shop', 'TEMP'),
      [CONNECT, 'DATABASE shop TEMPORARY'],
    ],
    [
      'in the words of the description of the interface',
      { 'resource-name': 'shop', 'resource-type': 'DATABASE', privileges: ['CREATE'] },
      [CONNECT, 'DATABASE shop CREATE'],
    ],
  ];
  for (const [what, asked, grants] of cases) {
    test(`${what}`, () => {
      assert.deepEqual(grantsOf(asked, asked), grants);
    });
  }

  const refused: [what: string, asked: unknown, reason: RegExp][] = [
    ['no object', 7, /permissions on a ""; served are DATABASE, SCHEMA, SEQUENCE, TABLE/],
    ['a kind that is not served', permission('TOPIC', 't', 'READ'), /on a "TOPIC"; served are/],
    ['another database', permission('DATABASE', 'bank', 'CONNECT'), /only the database that it/],
    ['the catalog', permission('TABLE', 'pg_catalog.pg_authid', 'SELECT'), /has to be a name/],
    [
      'a schema of the system',
      permission('SCHEMA', 'information_schema', 'USAGE'),
      /of the system/,
    ],
    ['three parts', permission('TABLE', 'shop.public.goods', 'SELECT'), /has to be a name/],
    ['a quote', permission('TABLE', 'goods"; DROP', 'SELECT'), /has to be a name/],
    ['a name that is too long', permission('TABLE', 'x'.repeat(64), 'SELECT'), /has to be a name/],
    ['no privilege', permission('TABLE', 'goods'), /privileges are ALL, DELETE, INSERT/],
    ['a privilege of others', permission('TABLE', 'goods', 'USAGE'), /"public.goods"; privileges/],
    ['a privilege that is none', permission('TABLE', 'goods', 'SELECT, INSERT'), /privileges are/],
  ];
  for (const [what, asked, reason] of refused) {
    test(`are refused with ${what}`, () => {
      const parsed = parse(permission('TABLE', 'fine', 'SELECT'), asked);
      assert.match(parsed.ok ? 'granted' : parsed.reason, reason);
    });
  }

  test('are refused when there are too many, or no list', () => {
    const many = Array.from({ length: 501 }, (_, n) => permission('TABLE', `t${n}`, 'SELECT'));
    const said = (json: string) => {
      const parsed = parsePermissions(json, 'shop');
      return parsed.ok ? 'granted' : parsed.reason;
    };
    assert.match(said(JSON.stringify(many)), /more than 500/);
    assert.match(said('{}'), /not a JSON list/);
    assert.deepEqual(grantsOf(), []);
  });

  test('whatever a stranger writes, every grant can be taken apart and is safe in SQL', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a.b', '*', 'x.*', 'shop'),
    );
    const type = fc.oneof(fc.string(), fc.constantFrom(...Object.keys(PRIVILEGES)));
    const item = fc.record({
      resource_type: type,
      resource_name: word,
      privileges: fc.array(fc.constantFrom('ALL', 'SELECT', 'USAGE', 'CONNECT', ';')),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(item, fc.jsonValue()), { maxLength: 3 }), (list) => {
        const parsed = parsePermissions(JSON.stringify(list), 'shop');
        if (!parsed.ok) return assert.doesNotMatch(parsed.reason, /[\n\r]/);
        for (const line of parsed.grants) {
          const grant = parseGrant(line);
          assert.ok(grant !== undefined, line);
          assert.doesNotMatch(`${grant.schema}${grant.object}`, /["'\s;,.\\]/);
        }
      }),
    );
  });

  test('a record that somebody has changed grants nothing', () => {
    const bad = ['', 'TABLE', 'TABLE public.goods', 'TABLE public.goods DROP', 'ROLE x SELECT'];
    for (const line of [...bad, 'TABLE pg_catalog.pg_authid SELECT', 'SCHEMA a USAGE x']) {
      assert.equal(parseGrant(line), undefined, line);
    }
    assert.equal(grantedObject('TABLE public.goods SELECT'), 'TABLE public.goods');
  });
});

describe('a request with permissions', () => {
  const asked = [permission('TABLE', 'goods', 'SELECT')];
  const wish = { database: 'shop', extraUserRoles: '', permissions: asked };

  test('says the same in both versions of the protocol', () => {
    for (const bag of [requestData(wish), requestDataV1(wish, '0123456789abcdef', 'salt')]) {
      const [parsed] = parseRequests(bag)?.requests ?? [];
      assert.ok(parsed?.ok);
      assert.deepEqual(parsed.request.permissions, grantsOf(...asked));
    }
  });

  test('is refused for a prefix, and asks for nothing with an empty list', () => {
    const [prefix] = parseRequests(requestData({ ...wish, database: 'abc*' }))?.requests ?? [];
    assert.match(prefix?.ok === false ? prefix.reason : '', /with a prefix; ask for one database/);
    const [empty] = parseRequests(requestData({ ...wish, permissions: [] }))?.requests ?? [];
    assert.ok(empty?.ok && !('permissions' in empty.request));
  });
});

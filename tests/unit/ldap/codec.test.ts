/** The `ldap` interface: what a provider writes a requirer reads, and nothing dangerous passes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeLdapData, type LdapData, readLdapData } from '../../../lib/relations/ldap.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
const SECRET = 'secret:d1f2g3h4i5j6k7l8m9n0';

const offer = (change: Partial<LdapData> = {}): LdapData => ({
  security: 'ldaps',
  servers: [{ host: 'ldap.example.org', port: 636 }],
  baseDn: 'dc=example,dc=org',
  bindDn: 'cn=relation-3,ou=services,dc=example,dc=org',
  passwordSecret: SECRET,
  caChain: [PEM],
  ...change,
});

describe('the ldap interface', () => {
  test('is written with the keys of its version 0', () => {
    assert.deepEqual(encodeLdapData(offer({ security: 'starttls', caChain: [] })), {
      urls: '["ldap://ldap.example.org:636"]',
      ldaps_urls: '[]',
      base_dn: 'dc=example,dc=org',
      starttls: 'true',
      bind_dn: 'cn=relation-3,ou=services,dc=example,dc=org',
      bind_password_secret: SECRET,
      auth_method: 'simple',
    });
  });

  test('reads what was written', () => {
    const host = fc.constantFrom('10.0.0.7', 'fd00::7', 'ldap.example.org');
    const server = fc
      .record({ host, port: fc.integer({ min: 1, max: 65_535 }) })
      .map((each) => ({ ...each }));
    const data = fc.record({
      security: fc.constantFrom('ldaps', 'starttls'),
      servers: fc.array(server, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(data, (change) => {
        const value = offer(change as Partial<LdapData>);
        assert.deepEqual(readLdapData(encodeLdapData(value)), { state: 'complete', value });
      }),
    );
  });

  test('prefers LDAPS, and knows the usual ports', () => {
    const bag = { ...encodeLdapData(offer()), urls: '["ldap://a"]', ldaps_urls: '["ldaps://b"]' };
    const reading = readLdapData(bag);
    assert.ok(reading.state === 'complete');
    assert.deepEqual(reading.value.servers, [{ host: 'b', port: 636 }]);
  });

  const refused: [string, Record<string, string>, RegExp][] = [
    ['plain text', { ldaps_urls: '[]', urls: '["ldap://a"]' }, /neither LDAPS nor StartTLS/],
    ['another scheme', { ldaps_urls: '["https://a"]' }, /ldaps_urls/],
    ['a URL with more in it', { ldaps_urls: '["ldaps://a/dc=x?uid"]' }, /ldaps_urls/],
    ['a list that is none', { ldaps_urls: '{' }, /ldaps_urls/],
    ['no address', { ldaps_urls: '[]', urls: '[]' }, /no address/],
    ['a port beyond all', { ldaps_urls: '["ldaps://a:70000"]' }, /ldaps_urls/],
    ['a second line', { base_dn: 'dc=x\nhost all all all trust' }, /base_dn.*control/],
    ['another method', { auth_method: 'sasl' }, /auth_method/],
    ['a chain that is none', { ca_chain: '["hello"]' }, /ca_chain/],
    ['a password instead of a secret', { bind_password_secret: 'hunter2' }, /URI of a secret/],
  ];
  for (const [what, change, why] of refused) {
    test(`refuses ${what}`, () => {
      const reading = readLdapData({ ...encodeLdapData(offer()), ...change });
      assert.ok(reading.state === 'invalid');
      assert.match(reading.reason, why);
    });
  }

  test('waits while the provider has written nothing, or not all', () => {
    assert.deepEqual(readLdapData({}), { state: 'absent' });
    const { bind_dn: _, ...rest } = encodeLdapData(offer());
    assert.deepEqual(readLdapData(rest), { state: 'incomplete', missing: ['bind_dn'] });
  });

  test('never throws, whatever a databag holds', () => {
    const keys = Object.keys(encodeLdapData(offer()));
    const bag = fc.dictionary(fc.constantFrom(...keys), fc.string());
    fc.assert(
      fc.property(bag, (change) => {
        const reading = readLdapData({ ...encodeLdapData(offer()), ...change });
        if (reading.state !== 'complete') return;
        const shown = [reading.value.baseDn, reading.value.bindDn].join('');
        assert.doesNotMatch(shown, /[\u0000-\u001f]/);
      }),
    );
  });
});

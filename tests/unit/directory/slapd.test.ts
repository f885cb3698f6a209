/** What slapd is told: LDIF that nothing breaks out of, hashes that fit, answers read back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { heldIn } from '../../../charms/directory/src/ldap-tools.ts';
import {
  groupDn,
  hashOf,
  isHashOf,
  ldif,
  nobodyDn,
  parseLdif,
  seed,
  slapdCommand,
  slapdConfig,
  userDn,
} from '../../../charms/directory/src/slapd.ts';
import { Secret } from '../../../lib/std/secret.ts';

const BASE = 'dc=example,dc=org';
const at = (name: string) => `/unit/directory/${name}`;
const places = {
  ...{ root: '/unit/directory', config: at('slapd.conf'), ca: at('ca.pem') },
  ...{ certificate: at('cert.pem'), key: at('key.pem') },
  ...{ socket: at('run/ldapi'), database: '/storage/database' },
};

describe('LDIF', () => {
  test('carries any text as one value, and reads it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (name, value) => {
        const text = ldif(
          [{ dn: userDn(name, BASE), add: { cn: [value, new Secret(value)] } }],
          'content',
        );
        assert.equal(text.split('\n').length, 4);
        assert.deepEqual(parseLdif(text), [{ dn: [userDn(name, BASE)], cn: [value, value] }]);
      }),
    );
  });

  test('says what changes', () => {
    const dn = groupDn('staff', BASE);
    const text = ldif(
      [
        { dn, change: [{ how: 'add', attribute: 'member', values: ['x'] }] },
        { dn, delete: true },
      ],
      'changes',
    );
    const shown = text.replaceAll(Buffer.from(dn).toString('base64'), 'DN');
    const change = 'dn:: DN\nchangetype: modify\nadd: member\nmember:: eA==\n-\n';
    assert.equal(shown, `${change}\ndn:: DN\nchangetype: delete\n`);
  });

  test('of a new directory begins with its base', () => {
    const [first] = parseLdif(ldif(seed(BASE), 'content'));
    assert.partialDeepStrictEqual(first, { dn: [BASE], dc: ['example'] });
  });

  test('as ldapsearch prints it is joined and decoded', () => {
    const text =
      'dn: uid=a,ou=people,dc=x\nuid: a\ncn:: SsO2cmc=\n\ndn: cn=b,dc=x\nmember: uid=a\n ,dc=x\n';
    assert.deepEqual(parseLdif(text), [
      { dn: ['uid=a,ou=people,dc=x'], uid: ['a'], cn: ['Jörg'] },
      { dn: ['cn=b,dc=x'], member: ['uid=a,dc=x'] },
    ]);
  });
});

describe('what slapd holds', () => {
  test('is users, groups and logins by the names that actions take', () => {
    const held = heldIn([
      { cn: ['relation-7'], userpassword: ['{SSHA}x'] },
      { uid: ['alice'], cn: ['Alice'] },
      {
        cn: ['staff'],
        member: [nobodyDn(BASE), userDn('alice', BASE), groupDn('inner', BASE)],
      },
    ]);
    assert.deepEqual(held, {
      logins: { 7: '{SSHA}x' },
      users: [{ name: 'alice', fullName: 'Alice' }],
      groups: [{ name: 'staff', members: ['@inner', 'alice'] }],
    });
  });

  test('a hash is of its own password and of no other', () => {
    const salt = fc.uint8Array({ minLength: 8, maxLength: 16 });
    fc.assert(
      fc.property(fc.string(), fc.string(), salt, (password, other, bytes) => {
        const hash = hashOf(password, Buffer.from(bytes));
        assert.ok(isHashOf(hash, password));
        assert.equal(isHashOf(hash, other), password === other);
      }),
    );
    assert.equal(isHashOf('plain', 'plain'), false);
  });
});

describe("slapd's configuration", () => {
  test('lets nothing be read or checked without TLS, and services find everybody', () => {
    const lines = slapdConfig(places, BASE, { uid: 0, gid: 0 }).split('\n');
    for (const line of ['security ssf=64', 'disallow bind_anon', 'require authc']) {
      assert.ok(lines.includes(line), line);
    }
    assert.ok(lines.some((line) => /^limits .*ou=services.*size=unlimited/.test(line)));
  });

  test('its program listens where it is told, on the socket too', () => {
    const command = slapdCommand(places, 'starttls', 'fd00::7', 1636);
    assert.equal(
      command.at(-1),
      'ldap://[fd00::7]:1636/ ldapi://%2Funit%2Fdirectory%2Frun%2Fldapi',
    );
  });
});

/** `ldap-map`, `ldap-search-filter`, and the access rule they end up in. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { directoryLines } from '../../../src/charm/model/hba.ts';
import { parseSearchFilter } from '../../../src/charm/model/ldap-filter.ts';
import { parseLdapMap } from '../../../src/charm/model/ldap-map.ts';
import { parseOptions } from '../../../src/charm/model/options.ts';

describe('ldap-search-filter', () => {
  const good: [string, string, string][] = [
    ['(uid=$username)', 'uid', '(uid=*)'],
    ['(&(objectClass=person)(cn=$username))', 'cn', '(&(objectClass=person)(cn=*))'],
    ['(|(mail=$username@example.org)(uid=$username))', 'uid', '(|(mail=*@example.org)(uid=*))'],
    ['(&(!(pwdLocked=TRUE))(uid=$username))', 'uid', '(&(!(pwdLocked=TRUE))(uid=*))'],
    ['(&(o=a\\28b\\29)(uid=$username))', 'uid', '(&(o=a\\28b\\29)(uid=*))'],
    [' (2.5.4.3=$username) ', '2.5.4.3', '(2.5.4.3=*)'],
  ];
  for (const [text, attribute, everybody] of good) {
    test(`takes ${text}`, () => {
      const filter = parseSearchFilter(text);
      assert.partialDeepStrictEqual(filter, { text: text.trim(), attribute, everybody });
    });
  }

  const bad = [
    'uid=$username',
    '(uid=alice)',
    '(uid=$username',
    '(uid=$username))',
    '(&)',
    '(!(uid=$username))',
    '(uid>=$username)',
    '(mail=$username@example.org)',
    '(&(uid=$username)(o=\\zz))',
    '(uid=$username)\nhost all all all trust',
    `${'(&'.repeat(30)}(uid=$username)${')'.repeat(30)}`,
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text).slice(0, 60)}`, () => {
      assert.equal(parseSearchFilter(text), undefined);
    });
  }
});

describe('ldap-map', () => {
  test('takes groups with blanks, several roles for one group, and a comma too many', () => {
    assert.deepEqual(parseLdapMap('Data Base Admins = charmed_dba, staff=reporting,staff=sales,'), [
      { group: 'Data Base Admins', role: 'charmed_dba' },
      { group: 'staff', role: 'reporting' },
      { group: 'staff', role: 'sales' },
    ]);
  });

  for (const role of ['operator', 'identity_access', 'relation-3', 'replication', 'r'.repeat(64)]) {
    test(`refuses to hand out ${role}`, () => {
      assert.equal(parseLdapMap(`admins=${role}`), undefined);
    });
  }

  for (const text of ['', 'admins', '=dba', 'admins=', 'a=b,,c=d', 'a=b=c', 'a=b\nc=d']) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseLdapMap(text), undefined));
  }

  test('is refused as an option with what it may be', () => {
    const parsed = parseOptions({ 'ldap-map': 'admins=operator' });
    assert.ok(!parsed.ok);
    assert.equal(parsed.option, 'ldap-map');
    assert.match(parsed.allowed, /group=role/);
  });
});

describe('the access rule of a directory', () => {
  const directory = {
    security: 'ldaps',
    servers: [
      { host: 'one.example.org', port: 636 },
      { host: 'fd00::7', port: 636 },
      { host: 'other.example.org', port: 1636 },
    ],
    baseDn: 'ou=people,dc=example,dc=org',
    bindDn: 'cn=search',
    password: 'a"b#c,d @e',
    filter: '(uid=$username)',
  } as const;

  test('quotes what could end a word, and asks every server of the port', () => {
    assert.deepEqual(directoryLines(['10.0.0.0/8', '10.0.0.0/8'], directory), [
      'host all +identity_access 10.0.0.0/8 ldap ldapserver="one.example.org [fd00::7]" ' +
        'ldapport=636 ldapscheme=ldaps ldapbasedn="ou=people,dc=example,dc=org" ' +
        'ldapbinddn="cn=search" ldapbindpasswd="a""b#c,d @e" ldapsearchfilter="(uid=$username)"',
    ]);
  });

  test('asks for StartTLS where that is what there is', () => {
    const [line = ''] = directoryLines(['::1/128'], { ...directory, security: 'starttls' });
    assert.match(line, / ldaptls=1 /);
    assert.doesNotMatch(line, /ldapscheme/);
  });
});

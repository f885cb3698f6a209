/** From a directory's entries to people and their roles: nesting, circles, spellings, kinds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { normalDn, peopleOf } from '../../../src/agent/decide/directory-people.ts';
import type { LdapEntry } from '../../../src/charm/model/ldap-entry.ts';

const BASE = 'dc=example,dc=org';
const user = (uid: string, more: Record<string, string[]> = {}): LdapEntry => ({
  dn: `uid=${uid},ou=people,${BASE}`,
  values: { uid: [uid], ...more },
});
const group = (cn: string, values: Record<string, string[]>): LdapEntry => ({
  dn: `cn=${cn},ou=groups,${BASE}`,
  values: { cn: [cn], ...values },
});
const uid = (name: string) => `uid=${name},ou=people,${BASE}`;
const cn = (name: string) => `cn=${name},ou=groups,${BASE}`;
const map = [
  { group: 'admins', role: 'dba' },
  { group: 'staff', role: 'reporting' },
];
const rolesOf = (users: LdapEntry[], groups: LdapEntry[]) =>
  Object.fromEntries(
    peopleOf({ users, attribute: 'uid', groups, map }).map(({ name, roles }) => [name, roles]),
  );

describe('people of a directory', () => {
  test('get the roles of the groups that name them, in whichever way', () => {
    const users = [user('a'), user('b'), user('c'), user('d', { memberof: [cn('admins')] })];
    const groups = [
      group('admins', { member: [uid('a')] }),
      group('staff', { uniquemember: [uid('a'), uid('b')], memberuid: ['c'] }),
    ];
    assert.deepEqual(rolesOf(users, groups), {
      a: ['dba', 'reporting'],
      b: ['reporting'],
      c: ['reporting'],
      d: ['dba'],
    });
  });

  test('get those of groups within groups, also in a circle', () => {
    const groups = [
      group('admins', { member: [cn('inner')] }),
      group('inner', { member: [cn('innermost')], memberuid: ['b'] }),
      group('innermost', { member: [cn('admins'), uid('a')] }),
    ];
    assert.deepEqual(rolesOf([user('a'), user('b'), user('c')], groups), {
      a: ['dba'],
      b: ['dba'],
      c: [],
    });
  });

  test('a group is known by its name in any case, its members by any spelling', () => {
    const groups = [group('ADMINS', { member: [`UID=A , OU=People,${BASE.toUpperCase()}`] })];
    assert.deepEqual(rolesOf([user('a')], groups), { a: ['dba'] });
  });

  test('whoever is in none of the mapped groups has no role, and who has no name is nobody', () => {
    const nameless: LdapEntry = { dn: uid('x'), values: { cn: ['x'] } };
    assert.deepEqual(rolesOf([user('a'), nameless], [group('others', { memberuid: ['a'] })]), {
      a: [],
    });
  });

  test('are named by the attribute that the filter asks for', () => {
    const users = [user('a', { samaccountname: ['Alice'] })];
    const groups = [group('admins', { memberuid: ['a'] })];
    assert.deepEqual(peopleOf({ users, attribute: 'sAMAccountName', groups, map }), [
      { name: 'Alice', roles: ['dba'] },
    ]);
  });
});

describe('distinguished names', () => {
  const same: [string, string][] = [
    ['CN=Alice, DC=Example', 'cn=alice,dc=example'],
    ['cn=a\\2Cb,dc=x', 'cn=a\\,b,dc=x'],
    ['cn=J\\C3\\B6rg,dc=x', 'cn=jörg,dc=x'],
    ['cn=a\\ b', 'cn=a b'],
    ['cn=a\\3Db, dc=x', 'cn=a=b,dc=x'],
    ['cn=\\20a\\5C', 'cn=\\ a\\\\'],
  ];
  for (const [one, other] of same) {
    test(`${one} is ${other}`, () => assert.equal(normalDn(one), normalDn(other)));
  }
  const different: [string, string][] = [
    ['cn=a\\,dc=x', 'cn=a,dc=x'],
    ['cn=a,cn=b', 'cn=a+cn=b'],
    ['cn=a = b', 'cn=a=b'],
    ['cn=\\ a', 'cn=a'],
  ];
  for (const [one, other] of different) {
    test(`${one} is not ${other}`, () => assert.notEqual(normalDn(one), normalDn(other)));
  }
});

/** The plan of a synchronisation: carried out it leaves nothing to do, and touches no stranger. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type DatabaseRole,
  isUsableName,
  markOf,
  markText,
  planDirectory,
  type RoleChange,
} from '../../../src/agent/decide/directory.ts';
import type { Person } from '../../../src/agent/decide/directory-people.ts';

const plain = { login: true, mighty: false, comment: '', memberOf: [], needed: false };
const role = (name: string, change: Partial<DatabaseRole> = {}): DatabaseRole => ({
  ...plain,
  name,
  ...change,
});
const ours = (name: string, change: Partial<DatabaseRole> = {}, granted: string[] = []) =>
  role(name, {
    comment: markText({ granted, locked: false }),
    memberOf: ['identity_access', ...granted],
    ...change,
  });
const group = role('identity_access', { login: false });
const person = (name: string, ...roles: string[]): Person => ({ name, roles });

/** What PostgreSQL makes of the changes. */
function carryOut(roles: readonly DatabaseRole[], changes: readonly RoleChange[]): DatabaseRole[] {
  const after = new Map(roles.map((each) => [each.name, each]));
  for (const change of changes) {
    switch (change.kind) {
      case 'create-group':
        after.set(group.name, group);
        break;
      case 'create':
        assert.ok(!after.has(change.name), `${change.name} exists`);
        after.set(change.name, ours(change.name, {}, [...change.mark.granted]));
        break;
      case 'drop':
        assert.equal(after.get(change.name)?.needed, false);
        after.delete(change.name);
        break;
      case 'alter': {
        const before = after.get(change.name);
        assert.ok(before !== undefined);
        const kept = before.memberOf.filter((each) => !change.revoke.includes(each));
        after.set(change.name, {
          ...before,
          login: change.login ?? before.login,
          memberOf: [...new Set([...kept, ...change.grant])],
          comment: markText(change.mark),
        });
      }
    }
  }
  return [...after.values()];
}

const names = ['alice', 'bob', 'carol', 'operator', 'pg_monitor', 'shop', 'a*b', 'x'.repeat(64)];
const targets = ['dba', 'reporting', 'gone', 'root'];
const people = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...names),
    roles: fc.subarray(targets).map((each) => each.toSorted()),
  }),
  { selector: ({ name }) => name },
);
const database = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom(...names, ...targets.slice(0, 2), 'identity_access'),
      login: fc.boolean(),
      mighty: fc.boolean(),
      needed: fc.boolean(),
      memberOf: fc.subarray([...targets.slice(0, 2), 'identity_access', 'by_hand']),
      comment: fc.oneof(
        fc.constantFrom('', 'made by hand', 'ldap-sync', 'ldap-sync {}'),
        fc
          .record({ granted: fc.subarray(targets), locked: fc.boolean() })
          .map((mark) => markText(mark)),
      ),
    }),
    { selector: ({ name }) => name },
  )
  .map((roles) => [role('root', { mighty: true }), ...roles]);

describe('the synchronisation with a directory', () => {
  test('converged means empty, whatever there was', () => {
    fc.assert(
      fc.property(people, database, (wanted, roles) => {
        const first = planDirectory(wanted, roles, targets);
        const after = carryOut(roles, first.changes);
        assert.deepEqual(planDirectory(wanted, after, targets).changes, []);
      }),
    );
  });

  test('a hook or agent that dies between two changes is finished by the next', () => {
    fc.assert(
      fc.property(people, database, fc.nat(20), (wanted, roles, at) => {
        const { changes } = planDirectory(wanted, roles, targets);
        const half = carryOut(roles, changes.slice(0, at));
        const rest = planDirectory(wanted, half, targets);
        const byName = (a: DatabaseRole, b: DatabaseRole) => (a.name < b.name ? -1 : 1);
        const sorted = (all: DatabaseRole[]) =>
          all.map((each) => ({ ...each, memberOf: each.memberOf.toSorted() })).toSorted(byName);
        assert.deepEqual(sorted(carryOut(half, rest.changes)), sorted(carryOut(roles, changes)));
      }),
    );
  });

  test('never touches a role that it did not create, and hands out no mighty one', () => {
    fc.assert(
      fc.property(people, database, (wanted, roles) => {
        const { changes } = planDirectory(wanted, roles, targets);
        const byName = new Map(roles.map((each) => [each.name, each]));
        for (const change of changes) {
          if (change.kind === 'create-group') continue;
          const before = byName.get(change.name);
          if (before !== undefined) assert.notEqual(markOf(before), undefined);
          if (change.kind === 'create') assert.ok(isUsableName(change.name));
          if (change.kind === 'drop') continue;
          for (const given of change.mark.granted) {
            assert.equal(byName.get(given)?.mighty, false);
          }
        }
      }),
    );
  });

  test('creates, grants and revokes what the groups say', () => {
    const roles = [group, role('dba'), role('reporting'), ours('bob', {}, ['dba'])];
    const wanted = [person('alice', 'dba'), person('bob', 'reporting')];
    assert.deepEqual(planDirectory(wanted, roles, ['dba', 'reporting']).changes, [
      {
        kind: 'alter',
        name: 'bob',
        grant: ['reporting'],
        revoke: ['dba'],
        login: undefined,
        mark: { granted: ['reporting'], locked: false },
      },
      { kind: 'create', name: 'alice', mark: { granted: ['dba'], locked: false } },
    ]);
  });

  test('leaves a membership that was given by hand', () => {
    const roles = [group, ours('bob', { memberOf: ['identity_access', 'by_hand'] })];
    assert.deepEqual(planDirectory([person('bob')], roles, []).changes, []);
  });

  test('drops who has left, but locks who owns something, until they are back', () => {
    const roles = [group, ours('bob'), ours('carol', { needed: true }, ['dba']), role('dba')];
    const stays = [person('alice')];
    const { changes } = planDirectory([...stays, person('bob')], roles, ['dba']);
    const locked = changes.find((each) => each.kind === 'alter');
    assert.partialDeepStrictEqual(locked, { name: 'carol', login: false, revoke: ['dba'] });
    const after = carryOut(roles, changes);
    const back = planDirectory([...stays, person('bob'), person('carol', 'dba')], after, ['dba']);
    assert.partialDeepStrictEqual(back.changes, [{ name: 'carol', login: true, grant: ['dba'] }]);
  });

  test('a user whom an administrator has locked stays so', () => {
    const roles = [group, ours('bob', { login: false })];
    assert.deepEqual(planDirectory([person('bob')], roles, []).changes, []);
  });

  test('an answer without any user removes nobody, and is told', () => {
    const { changes, notes } = planDirectory([], [group, ours('bob')], []);
    assert.deepEqual(changes, []);
    assert.match(notes.join(), /no user at all/);
  });

  const told: [string, Person[], string[], RegExp][] = [
    ['a role that does not exist', [], ['nowhere'], /nowhere, which does not exist/],
    ['a superuser', [], ['root'], /root, which is as mighty/],
    ["a user's own role", [person('bob')], ['bob'], /bob, which is a directory user's own/],
    ['a name that is taken', [person('shop')], [], /"shop" of the directory has the name/],
    ['a name of the charm', [person('operator')], [], /"operator" of the directory has/],
    ['many names', ['a*', 'b*', 'c*', 'd*', 'e*'].map((n) => person(n)), [], /and 2 more/],
  ];
  for (const [what, wanted, map, message] of told) {
    test(`says so of ${what}`, () => {
      const roles = [group, role('root', { mighty: true }), role('shop'), ours('bob')];
      assert.match(planDirectory([person('bob'), ...wanted], roles, map).notes.join('\n'), message);
    });
  }
});

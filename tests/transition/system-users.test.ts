/** Passwords that an operator sets by secret: what is changed, refused, and never shown. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readSystemUsers, SYSTEM_LOGINS } from '../../src/charm/model/system-users.ts';
import { UnitWorld } from '../support/world.ts';

const OPTION = { 'system-users': 'secret:d1s2fk3g4h5j6k7l8m9n' };
const GIVEN = { operator: 'a-new-password-1', replication: 'a-new-password-2' };

async function running(): Promise<UnitWorld> {
  const world = new UnitWorld();
  await world.settle();
  return world;
}

describe('system-users', () => {
  test('other passwords are changed once, and the rest stays as it is', async () => {
    const world = await running();
    const before = { ...world.committed.appSecret };
    world.config = { ...world.config, ...OPTION };
    world.systemUsers = GIVEN;
    const { kinds, status } = await world.hook('secret-changed');
    assert.equal(kinds.filter((kind) => kind === 'rotate-passwords').length, 1);
    assert.equal(status?.status, 'active');
    const { appSecret } = world.committed;
    assert.equal(appSecret?.['operator-password'], GIVEN.operator);
    assert.equal(appSecret?.['rewind-password'], before['rewind-password']);
    assert.deepEqual((await world.settle()).kinds, []);
    assert.equal(world.desired()?.postgres.password, GIVEN.operator);
  });

  test('a hook that dies is finished by the next, and no plan shows a password', async () => {
    for (const dieBefore of [0, 1, 2, 3]) {
      const world = await running();
      world.config = { ...world.config, ...OPTION };
      world.systemUsers = GIVEN;
      const killed = await world.hook('config-changed', dieBefore);
      const { plan } = await world.settle();
      assert.equal(world.committed.appSecret?.['replication-password'], GIVEN.replication);
      const shown = [...killed.plan, ...plan].join('\n');
      for (const secret of Object.values(GIVEN)) assert.ok(!shown.includes(secret));
    }
  });

  test('without the secret or with a bad one it blocks, and changes nothing', async () => {
    const cases: [given: Record<string, string> | undefined, says: RegExp][] = [
      [undefined, /^option system-users: cannot read it; run: grant-secret secret:\S+ postgresql$/],
      [{ root: 'a-good-password' }, /^option system-users: the secret names root; allowed are /],
      [{ operator: 'x' }, /^option system-users: the password of operator must have 8 to 128 /],
      [{ operator: 'with a blank in' }, /^option system-users: the password of operator must /],
    ];
    for (const [given, says] of cases) {
      const world = await running();
      const before = { ...world.committed.appSecret };
      world.config = { ...world.config, ...OPTION };
      world.systemUsers = given;
      const { kinds, status } = await world.hook();
      assert.deepEqual(kinds, []);
      assert.equal(status?.status, 'blocked');
      assert.match(status.message, says);
      assert.deepEqual(world.committed.appSecret, before);
    }
  });

  test('a unit that does not lead leaves it to the one that does', async () => {
    const world = await running();
    world.isLeader = false;
    world.config = { ...world.config, ...OPTION };
    const { kinds, status } = await world.hook();
    assert.deepEqual([kinds, status?.status], [[], 'active']);
  });

  test('whatever a secret holds, the answer is passwords that fit or a reason without any', () => {
    const key = fc.constantFrom(...SYSTEM_LOGINS, 'other');
    // Marked, because a reason of ours may well hold a short text by chance.
    const value = fc.string({ maxLength: 140 }).map((text) => `zq${text}`);
    fc.assert(
      fc.property(fc.dictionary(key, value), (content) => {
        const read = readSystemUsers(content);
        if (!read.ok) return assert.ok(!read.reason.includes('zq'));
        for (const password of Object.values(read.passwords)) {
          assert.match(password, /^[!-~]{8,128}$/);
        }
      }),
    );
  });
});

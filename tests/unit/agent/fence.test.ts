/** Who is suspected, what must be true in etcd, and that only a proof removes a key. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../../lib/std/errors.ts';
import { logTo } from '../../../lib/std/log.ts';
import {
  type FenceView,
  fencing,
  isDeadSilent,
  type KeySeen,
  pauseMs,
  type Sign,
  suspected,
} from '../../../src/agent/decide/fence.ts';
import { Facts } from '../../../src/agent/facts.ts';
import { type FenceParts, fenceKey, fenceLoop } from '../../../src/agent/fence/keeper.ts';
import type { Desired } from '../../../src/charm/model/desired.ts';
import { known, unknown, type WorkView } from '../../../src/charm/model/world.ts';
import { aMember, clusterOf } from './cluster.ts';
import { fakeEtcd } from './fake-etcd.ts';

const PREFIX = '/db/db/';
const members = [aMember('db-0', { role: 'primary' }), aMember('db-1'), aMember('db-2')];
const lost = { address: 'addr-db-0', state: 'lost' } as const;

function view(change: Partial<FenceView> = {}): FenceView {
  return {
    self: 'db-1',
    cluster: known(clusterOf(members)),
    pulse: lost,
    work: undefined,
    ...change,
  };
}

describe('a primary', () => {
  test('is suspected when another unit has heard it and hears it no more', () => {
    assert.equal(suspected(view())?.name, 'db-0');
  });

  test('is not suspected in any other state', () => {
    const work = { outcome: 'running', kind: 'restore' } as WorkView;
    const rows: Partial<FenceView>[] = [
      { self: 'db-0' },
      { cluster: unknown('Patroni is silent') },
      { cluster: known({ ...clusterOf(members), paused: true }) },
      { cluster: known(clusterOf(members.slice(1))) },
      { pulse: undefined },
      { pulse: { address: 'addr-db-0', state: 'beating' } },
      { pulse: { address: 'addr-db-1', state: 'lost' } },
      { work },
    ];
    for (const row of rows) assert.equal(suspected(view(row)), undefined);
    const moving = { ...work, kind: 'switchover' } as const;
    assert.equal(suspected(view({ work: moving }))?.name, 'db-0');
  });

  test('is dead silent only when nobody gives a sign of life, and somebody was asked', () => {
    assert.equal(isDeadSilent([]), false);
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Sign>('alive', 'silent'), { minLength: 1 }), (signs) => {
        assert.equal(isDeadSilent(signs), !signs.includes('alive'));
      }),
    );
  });
});

const STRICT = { synchronous_mode: true, synchronous_mode_strict: true };

/** Patroni's keys of a healthy cluster of three, with revisions of their own. */
function keysOf(change: Record<string, string | undefined> = {}): KeySeen[] {
  const values: Record<string, string | undefined> = {
    config: JSON.stringify(STRICT),
    leader: 'db-0',
    'members/db-0': '{}',
    'members/db-1': '{}',
    'members/db-2': '{}',
    sync: JSON.stringify({ leader: 'db-0', sync_standby: 'db-1,db-2' }),
    ...change,
  };
  return Object.entries(values).flatMap(([name, value], n) =>
    value === undefined ? [] : [{ key: `${PREFIX}${name}`, value, modRevision: n + 10 }],
  );
}

describe('keys of Patroni', () => {
  test('go with the lease of the lost member, and only as they were read', () => {
    assert.deepEqual(fencing(keysOf(), PREFIX, 'db-0'), {
      possible: true,
      guards: [
        { key: '/db/db/leader', modRevision: 11 },
        { key: '/db/db/config', modRevision: 10 },
        { key: '/db/db/sync', modRevision: 15 },
        { key: '/db/db/members/db-0', modRevision: 12 },
      ],
      removals: [{ delete: '/db/db/leader' }, { delete: '/db/db/members/db-0' }],
    });
  });

  test('that a member never wrote must still not be there', () => {
    const found = fencing(keysOf({ 'members/db-0': undefined }), PREFIX, 'db-0');
    assert.ok(found.possible);
    assert.deepEqual(found.guards.at(-1), { key: '/db/db/members/db-0', modRevision: 0 });
  });

  test('stay where a row could be lost, or nobody could follow', () => {
    const sync = (leader: string, standby: string | null) =>
      JSON.stringify({ leader, sync_standby: standby });
    const rows: Record<string, string | undefined>[] = [
      { leader: undefined },
      { leader: 'db-1' },
      { config: undefined },
      { config: 'no JSON' },
      { config: 'null' },
      { config: JSON.stringify({ ...STRICT, synchronous_mode_strict: false }) },
      { config: JSON.stringify({ ...STRICT, synchronous_mode: false }) },
      { config: JSON.stringify({ ...STRICT, pause: true }) },
      { sync: undefined },
      { sync: 'no JSON' },
      { sync: sync('db-0', null) },
      { sync: sync('db-0', 'db-0') },
      { sync: sync('db-0', 'nobody') },
      { sync: sync('db-1', 'db-2') },
      { 'members/db-1': undefined, 'members/db-2': undefined },
    ];
    for (const row of rows) assert.equal(fencing(keysOf(row), PREFIX, 'db-0').possible, false);
  });

  test('whatever stands in them, those of others are never removed', () => {
    const value = fc.option(fc.oneof(fc.string(), fc.json()), { nil: undefined });
    const names = ['leader', 'config', 'sync', 'members/db-0', 'members/db-1'];
    const change = fc.record(Object.fromEntries(names.map((name) => [name, value])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(change, (values) => {
        const keys = keysOf(values);
        const found = fencing(keys, PREFIX, 'db-0');
        if (!found.possible) return;
        const removed = found.removals.map((each) => each.delete);
        assert.deepEqual(removed, ['/db/db/leader', '/db/db/members/db-0']);
        for (const key of removed) assert.ok(found.guards.some((guard) => guard.key === key));
      }),
    );
  });
});

test('attempts become rarer, and never rest for long', () => {
  assert.deepEqual([1, 2, 3, 4, 6, 7, 50].map(pauseMs), [100, 200, 400, 800, 3200, 5000, 5000]);
  assert.equal(pauseMs(0), 100);
});

interface Scene {
  command?: string | undefined;
  signs?: Sign[];
  prove?: (command: string) => Promise<void>;
}

/** One look of one agent at a cluster whose primary it hears no more. */
async function look({ command = 'off', signs = ['silent'], ...rest }: Scene, etcd = fakeEtcd()) {
  for (const { key, value } of keysOf()) await etcd.put(key, value);
  const facts = new Facts();
  facts.set('patroni', known(clusterOf(members)));
  facts.set('pulse', lost);
  const unit = { name: 'db/1', member: 'db-1', app: 'db', address: 'addr-db-1' };
  const asked: string[] = [];
  const others = members.map(({ name, address }) => {
    return { unit: name.replace('-', '/'), member: name, address };
  });
  const desired = {
    unit,
    members: others,
    patroni: { scope: 'db', namespace: '/db/' },
    fence: command === '' ? undefined : { command },
  } as unknown as Desired;
  const parts: FenceParts = {
    facts,
    desired: () => desired,
    etcd: () => etcd,
    signs: async () => signs,
    prove: async (words, { unit }) => {
      asked.push(`${words} ${unit}`);
      await rest.prove?.(words);
    },
    log: logTo(() => undefined),
  };
  const loop = fenceLoop(parts);
  loop.start();
  await loop.stop();
  const left = (await etcd.range(PREFIX)).map(({ key }) => key.slice(PREFIX.length));
  return { asked, left, fenced: !left.includes('leader'), etcd };
}

describe('the fence', () => {
  test('takes the lease of a primary whose machine is proven off', async () => {
    const { asked, left, etcd } = await look({});
    assert.deepEqual(asked, ['off db/0']);
    assert.deepEqual(left.toSorted(), ['config', 'members/db-1', 'members/db-2', 'sync']);
    assert.equal(await etcd.get(fenceKey('db')), undefined, 'the next one may ask');
  });

  test('leaves everything without an option, a proof, or with a sign of life', async () => {
    const refused = async () => {
      throw new OperatorError({ code: 'command-failed', message: 'cannot run /bin/sh: it is on' });
    };
    const rows: [Scene, number][] = [
      [{ command: '' }, 0],
      [{ signs: ['silent', 'alive'] }, 0],
      [{ prove: refused }, 1],
    ];
    for (const [scene, count] of rows) {
      const { asked, fenced, etcd } = await look(scene);
      assert.deepEqual([asked.length, fenced], [count, false]);
      assert.equal(await etcd.get(fenceKey('db')), undefined);
    }
  });

  test('leaves everything when the primary wrote a key meanwhile', async () => {
    for (const name of ['leader', 'members/db-0', 'sync', 'config']) {
      const etcd = fakeEtcd();
      const value = keysOf().find(({ key }) => key === `${PREFIX}${name}`)?.value ?? '';
      const prove = () => etcd.put(`${PREFIX}${name}`, value);
      const { asked, fenced } = await look({ prove }, etcd);
      assert.deepEqual([asked.length, fenced], [1, false], name);
    }
  });

  test('leaves everything when its turn was lost while the command ran', async () => {
    const etcd = fakeEtcd();
    const prove = async () => {
      await etcd.delete(fenceKey('db'));
      await etcd.put(fenceKey('db'), 'db/1');
    };
    assert.equal((await look({ prove }, etcd)).fenced, false);
  });

  test('is not asked by two agents at once', async () => {
    const etcd = fakeEtcd();
    await etcd.put(fenceKey('db'), 'db/2');
    const { asked, fenced } = await look({}, etcd);
    assert.deepEqual([asked.length, fenced], [0, false]);
    assert.equal((await etcd.get(fenceKey('db')))?.value, 'db/2');
  });
});

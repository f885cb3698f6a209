/** The option member-tags: its form, what it makes of the configuration and of commits. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { options as optionsDecider } from '../../../src/charm/decide/options.ts';
import { wantedConfig } from '../../../src/charm/decide/patroni.ts';
import {
  confirmingReplicas,
  type MemberTags,
  parseMemberTags,
  tagsInForce,
} from '../../../src/charm/model/member-tags.ts';
import { dynamicConfig } from '../../../src/charm/model/patroni-config.ts';
import { UnitWorld } from '../../support/world.ts';

const apart = { nofailover: true, noloadbalance: true, nosync: true } as const;

describe('member-tags', () => {
  const read: [string, Record<string, MemberTags>][] = [
    ['pg/1: nofailover', { 'pg/1': { tags: { nofailover: true } } }],
    ['pg/1:nosync,clonefrom;', { 'pg/1': { tags: { nosync: true, clonefrom: true } } }],
    ['pg/1: offline', { 'pg/1': { tags: apart } }],
    ['pg/1: delay=90min', { 'pg/1': { tags: apart, delaySeconds: 5400 } }],
    [
      'my-pg/1: noloadbalance nosync; my-pg/12: delay=1d clonefrom',
      {
        'my-pg/1': { tags: { noloadbalance: true, nosync: true } },
        'my-pg/12': { tags: { ...apart, clonefrom: true }, delaySeconds: 86_400 },
      },
    ],
  ];
  for (const [text, expected] of read) {
    test(`takes ${text}`, () => assert.deepEqual(parseMemberTags(text), expected));
  }

  const refused = [
    '',
    ';',
    'nofailover',
    'pg/1',
    'pg/1:',
    'pg/1: primary',
    'pg/1: nofailover; pg/1: nosync',
    'pg/1: delay',
    'pg/1: delay=0s',
    'pg/1: delay=25d',
    'pg/1: delay=1h30min',
    'pg/1: nofailover=false',
    '1: nofailover',
    'pg/x: nofailover',
    'pg/1: nofailover;; pg/2: nosync',
  ];
  for (const text of refused) {
    test(`refuses "${text}"`, () => assert.equal(parseMemberTags(text), undefined));
  }

  test('whoever replays later is never promoted, confirms nothing and serves no reads', () => {
    const words = fc.subarray(['nofailover', 'noloadbalance', 'nosync', 'clonefrom', 'delay=5s']);
    fc.assert(
      fc.property(words, (given) => {
        const parsed = parseMemberTags(`pg/1: ${given.join(' ')}`)?.['pg/1'];
        assert.equal(parsed === undefined, given.length === 0);
        if (parsed?.delaySeconds === undefined) return;
        assert.partialDeepStrictEqual(parsed.tags, apart);
      }),
    );
  });
});

describe('what follows from it', () => {
  const units = ['postgresql/0', 'postgresql/1', 'postgresql/2'];

  async function settled(text: string, planned = units) {
    const world = new UnitWorld();
    world.planned = planned;
    world.config = { profile: 'testing' };
    await world.settle();
    world.config = { profile: 'testing', 'member-tags': text };
    const snapshot = world.snapshot();
    assert.ok(snapshot.options.ok);
    return { world, snapshot, options: snapshot.options.options };
  }

  test("Patroni's file says it, and Patroni is told to read it, not started anew", async () => {
    const { world } = await settled('postgresql/0: delay=1h');
    const config = JSON.parse(wantedConfig(world.snapshot()) ?? '{}');
    assert.deepEqual(config.tags, apart);
    assert.deepEqual(config.postgresql.recovery_conf, { recovery_min_apply_delay: '3600s' });
    const { loaded } = world.snapshot().services['patroni'] ?? {};
    await world.settle();
    assert.notEqual(world.snapshot().services['patroni']?.loaded, loaded);
    world.config = { profile: 'testing' };
    const without = JSON.parse(wantedConfig(world.snapshot()) ?? '{}');
    assert.equal('tags' in without, false);
    assert.equal('recovery_conf' in without.postgresql, false);
  });

  test('of other units nothing stands in its file', async () => {
    const { world } = await settled('postgresql/1: offline');
    assert.equal('tags' in JSON.parse(wantedConfig(world.snapshot()) ?? '{}'), false);
  });

  test('who makes the first database is told nothing yet: it has to lead', async () => {
    const world = new UnitWorld();
    world.planned = units;
    world.config = { profile: 'testing', 'member-tags': 'postgresql/0: nofailover' };
    await world.settle();
    assert.equal(world.data.systemIdentifier !== undefined, true);
    assert.deepEqual(JSON.parse(wantedConfig(world.snapshot()) ?? '{}').tags, { nofailover: true });
  });

  test('commits wait for no more replicas than may confirm, strictly only for some', async () => {
    const rows: [string, number, boolean][] = [
      ['postgresql/2: clonefrom', 2, true],
      ['postgresql/2: nosync', 1, true],
      ['postgresql/1: offline; postgresql/2: nosync', 1, false],
    ];
    for (const [text, count, strict] of rows) {
      const { snapshot, options } = await settled(text);
      assert.ok(snapshot.agent.known && snapshot.agent.value.cluster.known);
      const { cluster } = snapshot.agent.value;
      const [self] = cluster.value.members;
      assert.ok(self !== undefined);
      const members = [self, { ...self, name: 'postgresql-1' }];
      const agent = {
        ...snapshot.agent.value,
        cluster: { ...cluster, value: { ...cluster.value, members } },
      };
      const dynamic = dynamicConfig({ ...snapshot, agent: { known: true, value: agent } }, options);
      assert.equal(dynamic['synchronous_node_count'], count, text);
      assert.equal(dynamic['synchronous_mode_strict'], strict, text);
    }
    assert.equal(confirmingReplicas({}, units), 2);
  });

  test('where every unit had nofailover it is ignored, and the status says so', async () => {
    const { snapshot, options } = await settled('postgresql/0: nofailover nosync', [
      'postgresql/0',
    ]);
    const { memberTags } = options;
    assert.deepEqual(tagsInForce(memberTags, 'postgresql/0', ['postgresql/0']), { nosync: true });
    assert.partialDeepStrictEqual(optionsDecider(snapshot), [{ level: 'blocked' }]);
  });

  test('a unit of another application is named in the status', async () => {
    const { snapshot } = await settled('pg/0: nosync; postgresql/1: nosync');
    const [finding] = optionsDecider(snapshot);
    assert.ok(finding?.type === 'finding');
    assert.equal(finding.message, 'option member-tags: "pg/0" is not a unit of postgresql');
    assert.deepEqual(optionsDecider((await settled('postgresql/7: nosync')).snapshot), []);
  });
});

/** Plugins: which extension goes where and when, which library is loaded, and what is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { validOptions } from '../../../src/charm/decide/options.ts';
import { wantedConfig } from '../../../src/charm/decide/patroni.ts';
import { plugins, preloadLibraries } from '../../../src/charm/decide/plugins.ts';
import { EXTENSIONS, inOrder, PLUGINS, pluginOption } from '../../../src/charm/model/plugins.ts';
import type { NamedThings, Snapshot } from '../../../src/charm/model/snapshot.ts';
import type { Steps } from '../../../src/charm/model/steps.ts';
import { known, unknown } from '../../../src/charm/model/world.ts';
import { optionsOf } from '../../support/machine.ts';
import { UnitWorld } from '../../support/world.ts';

const settled = new UnitWorld();
await settled.settle();

interface Given {
  enabled?: string[];
  /** By database; undefined: nobody can be asked. */
  recorded?: Record<string, string[]> | undefined;
  preloaded?: string[];
  named?: Partial<NamedThings>;
  leader?: boolean;
  root?: boolean;
}

const NOTHING = { template1: [], postgres: [], shop: [] };

function worldOf(given: Given): Snapshot {
  const world = settled.snapshot();
  assert.ok(world.agent.known);
  const options = (given.enabled ?? []).map((name) => [pluginOption(name), true]);
  const recorded = 'recorded' in given ? given.recorded : NOTHING;
  const facts = { systemIdentifier: '1', serverVersion: '15.18', databases: [], roles: [] };
  const preloaded = given.preloaded ?? ['pg_stat_statements'];
  const database =
    recorded === undefined ? unknown('down') : known({ ...facts, extensions: recorded, preloaded });
  const library = ['pg_stat_statements', 'pgaudit', 'timescaledb'];
  const named = { ...world.named, library, extension: EXTENSIONS, ...given.named };
  return {
    ...world,
    options: optionsOf({ profile: 'testing', ...Object.fromEntries(options) }, named),
    unit: { ...world.unit, isLeader: given.leader ?? true },
    machine: { ...world.machine, root: given.root ?? true },
    named,
    agent: known({ ...world.agent.value, database }),
  };
}

function stepsOf(given: Given): Steps['set-extensions'][] {
  return plugins(worldOf(given)).flatMap((each) =>
    each.type === 'step' && each.kind === 'set-extensions' ? [each.args] : [],
  );
}

function libraries(given: Given): string[] {
  const world = worldOf(given);
  const options = validOptions(world);
  assert.ok(options);
  return preloadLibraries(world, options);
}

describe('plugins', () => {
  test('every database gets it, template1 as well; then nothing is left to do', () => {
    const steps = stepsOf({ enabled: ['hstore', 'spi'] });
    assert.deepEqual(
      steps.map(({ database }) => database),
      ['template1', 'postgres', 'shop'],
    );
    const create = ['hstore', 'refint', 'autoinc', 'insert_username', 'moddatetime'];
    for (const each of steps) assert.deepEqual([each.create, each.drop], [create, []]);
    const recorded = { template1: create, postgres: create, shop: create };
    assert.deepEqual(plugins(worldOf({ enabled: ['hstore', 'spi'], recorded })), []);
  });

  test('only what is recorded is dropped, what needs another before it', () => {
    const recorded = { template1: [], shop: ['cube', 'earthdistance'] };
    assert.deepEqual(stepsOf({ recorded }), [
      { database: 'shop', create: [], drop: ['earthdistance', 'cube'], recorded: recorded.shop },
    ]);
    assert.deepEqual(stepsOf({ recorded: { shop: ['not_ours'] } }), []);
  });

  test('one that must be loaded first waits until the primary has loaded it', () => {
    assert.deepEqual(stepsOf({ enabled: ['audit'] }), []);
    const preloaded = ['pg_stat_statements', 'pgaudit'];
    assert.equal(stepsOf({ enabled: ['audit'], preloaded }).length, 3);
  });

  test('is the work of the leader, and of nobody while no primary answers', () => {
    assert.deepEqual(plugins(worldOf({ enabled: ['hstore'], leader: false })), []);
    assert.deepEqual(plugins(worldOf({ enabled: ['hstore'], recorded: undefined })), []);
  });

  test('an agent of before an upgrade says nothing of extensions, and nothing changes', () => {
    const world = worldOf({ enabled: ['hstore'] });
    assert.ok(world.agent.known);
    const database = known({ systemIdentifier: '1', databases: [], roles: [] } as never);
    const old = { ...world, agent: known({ ...world.agent.value, database }) };
    assert.deepEqual(plugins(old), []);
  });

  const vector = { extension: [] as string[] };
  test('a missing package is installed where the charm may, and named where it may not', () => {
    const archive = { 'postgresql-15-pgvector': 'there' } as const;
    const [install] = plugins(worldOf({ enabled: ['vector'], named: { ...vector, archive } }));
    assert.ok(install?.type === 'step' && install.kind === 'install-packages');
    assert.deepEqual(install.args.packages, ['postgresql-15-pgvector']);
    const given = { enabled: ['vector'], root: false, named: { ...vector, archive } };
    assert.partialDeepStrictEqual(plugins(worldOf(given)), [
      {
        code: 'plugin-package-missing',
        message:
          'option plugin-vector-enable: a package is missing; ' +
          'run: sudo apt-get install postgresql-15-pgvector',
      },
    ]);
  });

  for (const state of ['absent', 'installed'] as const) {
    test(`what the archive cannot give (${state}) is refused, the others are not`, () => {
      const named = { extension: ['hstore'], archive: { 'postgresql-15-pgvector': state } };
      const said = plugins(worldOf({ enabled: ['vector', 'hstore'], named }));
      assert.partialDeepStrictEqual(said[0], { level: 'blocked', code: 'plugin-unavailable' });
      assert.deepEqual(said.filter(({ type }) => type === 'step').length, 3);
    });
  }

  test('carried out, every plan leaves nothing to do', () => {
    const names = fc.subarray(Object.keys(PLUGINS).filter((name) => !PLUGINS[name]?.preload));
    const some = fc.subarray([...new Set(EXTENSIONS)]);
    fc.assert(
      fc.property(names, fc.dictionary(fc.constantFrom('a', 'b', 'template1'), some), (all, db) => {
        const enabled = all.filter((name) =>
          (PLUGINS[name]?.needs ?? []).every((need) => all.includes(need)),
        );
        const complete = enabled.every((name) =>
          (PLUGINS[name]?.needs ?? []).every((need) => enabled.includes(need)),
        );
        fc.pre(complete);
        const recorded = { ...db };
        for (const { database, create, drop } of stepsOf({ enabled, recorded })) {
          const before = recorded[database] ?? [];
          recorded[database] = [...before, ...create].filter((each) => !drop.includes(each));
        }
        assert.deepEqual(stepsOf({ enabled, recorded }), []);
      }),
    );
  });
});

describe('libraries', () => {
  test('are what plugins need and the machine has, timescaledb first', () => {
    assert.deepEqual(libraries({}), ['pg_stat_statements']);
    const enabled = ['audit', 'timescaledb'];
    assert.deepEqual(libraries({ enabled }), ['timescaledb', 'pg_stat_statements', 'pgaudit']);
    const named = { library: ['pg_stat_statements'] };
    assert.deepEqual(libraries({ enabled, named }), ['pg_stat_statements']);
  });

  test('stay until no database records the plugin any more', () => {
    const recorded = { shop: ['pgaudit'] };
    assert.deepEqual(libraries({ recorded }), ['pg_stat_statements', 'pgaudit']);
    assert.deepEqual(libraries({ recorded: { shop: [] } }), ['pg_stat_statements']);
  });
});

test('set_user lets members of charmed_dba become a superuser, and nobody else', () => {
  const named = { library: ['pg_stat_statements', 'set_user'] };
  const parametersOf = (given: Given) => {
    const text = wantedConfig(worldOf({ ...given, named }));
    assert.ok(text !== undefined);
    return JSON.parse(text).postgresql.parameters;
  };
  assert.partialDeepStrictEqual(parametersOf({ enabled: ['set-user'] }), {
    shared_preload_libraries: 'pg_stat_statements,set_user',
    'set_user.superuser_allowlist': '+charmed_dba',
  });
  assert.equal('set_user.superuser_allowlist' in parametersOf({}), false);
});

test('what a plugin needs comes before it, and is a plugin', () => {
  const order = inOrder(Object.keys(PLUGINS));
  for (const [name, { needs }] of Object.entries(PLUGINS)) {
    for (const need of needs) assert.ok(order.indexOf(need) < order.indexOf(name), name);
  }
  assert.equal(Object.keys(PLUGINS).length, 54);
});

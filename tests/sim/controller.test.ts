/**
 * Several units under a hostile scheduler: whatever the interleaving, every charm sees the events
 * of the contract in the contract's order, and once calm returns everybody knows the latest of all.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HookInfo } from '../../src/controller/uniter/hook-info.ts';
import { readUnit } from '../../src/controller/uniter/read-unit.ts';
import { nextRelationHook } from '../../src/controller/uniter/relation-resolver.ts';
import { ControllerWorld } from './controller-world.ts';

const STEPS = 1500;
const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);

describe('units under a hostile scheduler', () => {
  for (const seed of SEEDS) {
    test(`seed ${seed}`, () => {
      const world = new ControllerWorld(seed);
      for (let step = 0; step < STEPS; step += 1) {
        const before = world.events.length;
        world.step();
        leadersAreSingle(world);
        for (const event of world.events.slice(before)) notOwnWrite(world, event.unit, event.hook);
      }
      world.settle();
      let rounds = 0;
      while (world.step()) {
        rounds += 1;
        assert.ok(rounds < 5000, 'it does not come to rest');
      }
      everybodyKnowsTheLatest(world);
      const units = new Set(world.events.map(({ unit }) => unit));
      assert.ok(units.size > 3, 'the simulation did too little');
      for (const unit of units) {
        judge(world.events.filter((event) => event.unit === unit).map(({ hook }) => hook));
      }
      world.store.close();
    });
  }
});

function leadersAreSingle({ store }: ControllerWorld): void {
  const rows = store.all<{ application: string }>(
    `SELECT u.application FROM unit u JOIN lease l ON l.unit = u.name WHERE u.leader_accepted = 1
     GROUP BY u.application HAVING count(*) > 1`,
  );
  assert.deepEqual(rows, []);
}

/** In a peer relation the application's databag changes for those who did not write it. */
function notOwnWrite(world: ControllerWorld, unit: string, hook: HookInfo): void {
  assert.notEqual(hook.remoteUnit, unit);
  if (hook.kind !== 'relation-changed' || hook.remoteUnit !== undefined) return;
  const { remoteApp = '' } = hook;
  if (remoteApp !== unit.split('/')[0]) return;
  const writer = world.writers.get(`${hook.relationId}:${remoteApp}`);
  const version = world.store.get<{ version: number }>(
    'SELECT version FROM databag WHERE relation_id = ? AND owner = ?',
    hook.relationId ?? -1,
    remoteApp,
  )?.version;
  if (version === hook.version) assert.notEqual(writer, unit, 'told of its own write');
}

function everybodyKnowsTheLatest({ store, units, now }: ControllerWorld): void {
  for (const unit of units) {
    const view = readUnit(store, unit, now);
    assert.ok(view);
    assert.equal(view.local.operation, undefined);
    assert.equal(nextRelationHook(view.local, view.remote), undefined);
    for (const relation of view.remote.relations) {
      const seen = view.local.relations.get(relation.id);
      assert.deepEqual(seen?.members, relation.members);
      for (const [app, version] of Object.entries(relation.apps)) {
        assert.equal(seen?.apps[app] ?? 0, version);
      }
    }
  }
  assert.equal(store.get(`SELECT 1 FROM relation WHERE life <> 'alive'`), undefined);
  assert.equal(store.get(`SELECT 1 FROM unit WHERE life <> 'alive'`), undefined);
}

/** What one unit saw from its first event to its last. */
function judge(hooks: HookInfo[]): void {
  const kinds = hooks.map(({ kind }) => kind);
  const install = kinds.indexOf('install');
  const early = install < 0 ? kinds : kinds.slice(0, install);
  for (const kind of early) assert.match(kind, /^storage-/, 'storage comes before install');
  const config = kinds.indexOf('config-changed');
  if (config >= 0 && config + 1 < kinds.length) {
    assert.equal(kinds[config + 1], 'start', 'start follows the first config-changed');
  }
  const stop = kinds.indexOf('stop');
  if (stop >= 0)
    assert.deepEqual(kinds.slice(stop), ['stop', 'remove'].slice(0, kinds.length - stop));
  assert.equal(kinds.filter((kind) => kind === 'install').length, install < 0 ? 0 : 1);
  const relations = new Set(hooks.flatMap(({ relationId }) => relationId ?? []));
  for (const id of relations) {
    judgeRelation(
      hooks.filter(({ relationId }) => relationId === id),
      stop >= 0,
    );
  }
}

/** Created first, joined before changed, departed before broken, no news twice. */
function judgeRelation(hooks: HookInfo[], stopped: boolean): void {
  let created = false;
  let joining: string | undefined;
  let wasBroken = false;
  const members = new Map<string, number>();
  for (const { kind, remoteUnit, version = 0 } of hooks) {
    if (kind === 'relation-created') {
      assert.equal(created, false);
      created = true;
      continue;
    }
    assert.equal(created, true, `${kind} before created`);
    if (joining !== undefined) {
      assert.equal(
        `${kind} ${remoteUnit}`,
        `relation-changed ${joining}`,
        'changed follows joined',
      );
    }
    joining = undefined;
    if (kind === 'relation-joined') {
      assert.ok(remoteUnit !== undefined && !members.has(remoteUnit));
      members.set(remoteUnit, -1);
      joining = remoteUnit;
    } else if (kind === 'relation-changed' && remoteUnit !== undefined) {
      const seen = members.get(remoteUnit);
      assert.ok(seen !== undefined, 'changed without joined');
      assert.ok(version > seen, 'the same version twice');
      members.set(remoteUnit, version);
    } else if (kind === 'relation-departed') {
      assert.ok(members.delete(remoteUnit ?? ''), 'departed without joined');
    } else if (kind === 'relation-broken') {
      assert.equal(members.size, 0, 'broken before all departed');
      created = false;
      wasBroken = true;
    }
  }
  if (stopped) assert.equal(members.size, 0, 'stopped before all departed');
  if (stopped && hooks[0]?.endpoint === 'x' && wasBroken) assert.equal(created, false);
}

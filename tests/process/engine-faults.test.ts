/** What the engine makes of a store that takes no writes for a while, as on a full disk. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { streamLog } from '../../lib/std/log.ts';
import { Engine } from '../../src/controller/engine.ts';
import { EngineWorld } from '../support/engine-world.ts';

describe('engine, when the store refuses writes', () => {
  let world: EngineWorld;
  let engine: Engine;
  let log: string[];

  beforeEach(async () => {
    world = await EngineWorld.make();
    log = [];
    const lines = streamLog({ write: (text: string) => log.push(text) });
    engine = new Engine({ store: world.store, root: world.root, log: lines });
    world.addApplication('a', await world.addCharm());
  });
  afterEach(async () => {
    await engine.stop();
    await world.remove();
  });

  /** @param event of a trigger, and when it refuses */
  const refuse = (event: string) =>
    world.store.db.exec(
      `CREATE TRIGGER refuse ${event} BEGIN SELECT RAISE(ABORT, 'disk is full'); END`,
    );

  test('a hook whose end could not be written has failed, and runs again', async () => {
    refuse(`BEFORE UPDATE OF operation ON unit WHEN OLD.operation LIKE '%"step":"pending"%'`);
    await engine.start();
    const unit = world.addUnit('a');
    await world.until('the end of install is refused', () =>
      log.some((line) => line.includes(`agent of ${unit}: disk is full`)),
    );
    assert.equal(world.operation(unit)?.['step'], 'pending');

    world.store.db.exec('DROP TRIGGER refuse');
    await world.untilIdle(unit);
    const events = await world.events(unit);
    assert.deepEqual(events.slice(0, 3), ['install', 'install', 'peers-relation-created']);
    assert.equal(events.at(-1), 'start');
  });

  test('lines of a hook that cannot be kept are lost, and nothing else', async () => {
    refuse(`BEFORE INSERT ON log WHEN NEW.message = 'as asked'`);
    const unit = world.addUnit('a');
    world.tell(unit, 'fail', 'install');
    await engine.start();
    await world.until('install has failed', () => world.operation(unit)?.['step'] === 'failed');
    assert.ok(log.some((line) => line.includes(`cannot keep a log line of ${unit}: disk is full`)));
  });
});

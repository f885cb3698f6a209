/** Charm revisions and archives live as long as somebody has them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { applicationNamed } from '../../../src/controller/operations/model.ts';
import { pruneCharms } from '../../../src/controller/operations/prune.ts';
import { refresh } from '../../../src/controller/operations/refresh.ts';
import { OperatorModel } from '../../support/operator-model.ts';

describe('pruning', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
  });
  afterEach(() => world.end());

  test('an old revision goes when its last unit has left it, its archive with age', async () => {
    await world.deploy('web');
    const first = applicationNamed(world.store, 'web').charm;
    world.store.run('UPDATE unit SET charm_id = ?', first.id);
    const path = await world.pack('web', { more: { 'NEWS.md': 'new' } });
    await refresh(world.model, { application: 'web', path, shown: 'x' });
    const archive = world.model.layout.charmArchive(first.sha256);
    const revisions = () =>
      world.store
        .all<{ revision: number }>('SELECT revision FROM charm')
        .map((row) => row.revision);

    world.now = Date.now() + 7_200_000;
    await pruneCharms(world.model);
    assert.deepEqual(revisions(), [0, 1]);
    assert.ok(existsSync(archive), 'a unit still has it');

    world.store.run('UPDATE unit SET charm_id = (SELECT charm_id FROM application)');
    world.now = Date.now();
    await pruneCharms(world.model);
    assert.deepEqual(revisions(), [1]);
    assert.ok(existsSync(archive), 'it is young: a deployment may be about to use it');

    world.now = Date.now() + 7_200_000;
    await pruneCharms(world.model);
    assert.ok(!existsSync(archive));
    const { sha256 } = applicationNamed(world.store, 'web').charm;
    assert.ok(existsSync(world.model.layout.charmArchive(sha256)));
  });
});

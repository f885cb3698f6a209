/** How the controller keeps the charms it was given. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { keepArchive, readCharmArchive } from '../../../src/controller/operations/charm-archive.ts';
import { OperatorModel } from '../../support/operator-model.ts';

describe('an archive', () => {
  let world: OperatorModel;
  let path: string;
  let sha256: string;
  beforeEach(async () => {
    world = await OperatorModel.make();
    path = await world.pack('web');
    ({ sha256 } = await readCharmArchive(path, 'web.charm'));
  });
  afterEach(() => world.end());

  const keep = () => keepArchive(world.model.layout, path, sha256);
  const kept = () => readFileSync(world.model.layout.charmArchive(sha256));

  test('that two deployments bring at once is kept once, and both succeed', async () => {
    await Promise.all([keep(), keep(), keep()]);
    assert.deepEqual(kept(), readFileSync(path));
    assert.deepEqual(readdirSync(join(world.directory, 'charms')), [`${sha256}.charm`]);
  });

  test('that a full disk or a power cut has left damaged is mended by the next', async () => {
    await keep();
    writeFileSync(world.model.layout.charmArchive(sha256), 'half');
    await keep();
    assert.deepEqual(kept(), readFileSync(path));
  });
});

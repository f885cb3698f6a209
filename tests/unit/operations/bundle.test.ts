/** Bundles: deployed once they make everything, deployed again only what differs. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { bundleFile, deployBundle } from '../../../src/controller/operations/bundle.ts';
import { setConfig } from '../../../src/controller/operations/config.ts';
import { applicationNamed, unitsOf } from '../../../src/controller/operations/model.ts';
import { OperatorModel } from '../../support/operator-model.ts';

const METADATA = 'summary: s\ndescription: d\nprovides: {site: http}\nrequires: {up: http}';

describe('bundles', () => {
  let world: OperatorModel;
  let charm: string;
  beforeEach(async () => {
    world = await OperatorModel.make();
    charm = `./${basename(await world.pack('web', { metadata: METADATA }))}`;
  });
  afterEach(() => world.end());

  async function deploy(text: string): Promise<string[]> {
    const path = join(world.directory, 'bundle.yaml');
    await writeFile(path, text);
    return deployBundle(world.model, path, { path, shown: './bundle.yaml' });
  }

  const two = (options = '{max: 7}', units = 1) => `
applications:
  front: {charm: ${charm}, num_units: ${units}, options: ${options}}
  back: {charm: ${charm}, num_units: 1}
relations:
  - [front:up, back:site]
`;

  describe('deploy of a bundle', () => {
    test('makes everything, and the second time nothing', async () => {
      const told = await deploy(two());
      assert.equal(told[0], 'Executing changes:');
      assert.ok(told.includes('- add relation front:up - back:site'));
      assert.deepEqual(applicationNamed(world.store, 'front').config, { max: 7 });
      assert.deepEqual(await deploy(two()), ['No changes to apply.']);
      assert.equal(unitsOf(world.store, 'front').length, 1);
    });

    test('sets its options, keeps the operator’s others, adds units, removes none', async () => {
      await deploy(two());
      setConfig(world.model, 'front', { set: { max: '1', profile: 'testing' } });
      const told = await deploy(two('{max: 8}', 2));
      assert.deepEqual(told, [
        'Executing changes:',
        '- set application options for front',
        '- add unit front/1 to new machine 2',
        'Deploy of bundle completed.',
      ]);
      const { config } = applicationNamed(world.store, 'front');
      assert.deepEqual(config, { max: 8, profile: 'testing' });
      assert.deepEqual(await deploy(two('{max: 8}', 1)), ['No changes to apply.']);
    });

    test('brings a charm whose content is another', async () => {
      await deploy(two());
      const more = { metadata: METADATA, more: { 'NEWS.md': 'new' } };
      charm = `./${basename(await world.pack('web', more))}`;
      const told = await deploy(two());
      assert.ok(told.some((line) => line.startsWith('- upgrade front using charm web')));
      assert.deepEqual(await deploy(two()), ['No changes to apply.']);
    });

    test('changes nothing when any part of it cannot be', async () => {
      await assert.rejects(deploy(two('{max: none}')), /option "max" expected int/);
      await assert.rejects(deploy(two().replace('back:site', 'back:nope')), /no "nope" relation/);
      await assert.rejects(
        deploy(two().replace(charm, 'postgresql')),
        /no access to a charm store/,
      );
      await assert.rejects(deploy('applications: 7'), /invalid bundle: applications: expected map/);
      assert.equal(world.store.get('SELECT 1 FROM application'), undefined);
    });

    test('is found by its ending, or as bundle.yaml in a directory', async () => {
      assert.equal(await bundleFile(join(world.directory, 'none.yaml')), undefined);
      await deploy(two());
      const file = join(world.directory, 'bundle.yaml');
      assert.equal(await bundleFile(world.directory), file);
      assert.equal(await bundleFile(file), file);
      assert.equal(await bundleFile(join(world.directory, charm)), undefined);
    });
  });
});

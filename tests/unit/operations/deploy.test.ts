/** deploy, add-unit, remove-unit: rows that they make, and what they refuse in which words. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { removeApplications } from '../../../src/controller/operations/applications.ts';
import { deployCharm } from '../../../src/controller/operations/deploy.ts';
import { applicationNamed, unitsOf } from '../../../src/controller/operations/model.ts';
import { attachStorage } from '../../../src/controller/operations/storage.ts';
import { addUnit, removeUnits } from '../../../src/controller/operations/units.ts';
import { OperatorModel } from '../../support/operator-model.ts';

describe('bringing in and taking out', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
  });
  afterEach(() => world.end());

  const STORAGE = `
summary: s
description: d
storage:
  data: {type: filesystem, minimum-size: 2G}
  cache: {type: filesystem, multiple: {range: 0-3}}
`;

  describe('deploy', () => {
    test('makes the application, its units with machines, and its peer relations', async () => {
      const told = await world.deploy('web', { units: 2 });
      assert.deepEqual(told, [
        'Located local charm "web", revision 0',
        'Deploying "web" from local charm "web", revision 0 on ubuntu@24.04/stable',
      ]);
      const units = world.store.all(
        `SELECT u.name, m.id AS machine, m.address, u.workload_message AS message
       FROM unit u JOIN machine m ON m.id = u.machine_id ORDER BY u.name`,
      );
      assert.deepEqual(
        units.map((row) => ({ ...row })),
        [
          { name: 'web/0', machine: '0', address: '127.9.9.10', message: 'waiting for machine' },
          { name: 'web/1', machine: '1', address: '127.9.9.11', message: 'waiting for machine' },
        ],
      );
      const peers = world.store.all<{ endpoint: string }>('SELECT endpoint FROM relation_endpoint');
      assert.deepEqual(
        peers.map(({ endpoint }) => endpoint),
        ['crew'],
      );
      const { charm } = applicationNamed(world.store, 'web');
      assert.ok(existsSync(world.model.layout.charmArchive(charm.sha256)));
    });

    test('local revisions count up per charm, whatever the application is called', async () => {
      const path = await world.pack('web');
      for (const application of ['one', 'two']) {
        await deployCharm(world.model, { path, shown: './web.charm', application });
      }
      assert.equal(applicationNamed(world.store, 'one').charm.revision, 0);
      assert.equal(applicationNamed(world.store, 'two').charm.revision, 1);
    });

    test('takes typed options, from pairs and from a file; pairs win', async () => {
      const path = await world.pack('web');
      await deployCharm(world.model, {
        path,
        shown: 'x',
        config: { max: '7' },
        configYaml: 'web: {max: 6, tls: true, ratio: 0.5}',
      });
      const { config } = applicationNamed(world.store, 'web');
      assert.deepEqual(config, { max: 7, tls: true, ratio: 0.5 });
    });

    for (const [what, request, message] of [
      [
        'a value of the wrong type',
        { config: { max: 'abc' } },
        'option "max" expected int, got "abc"',
      ],
      ['an unknown option', { config: { nope: '1' } }, 'unknown option "nope"'],
      [
        'a foreign base',
        { base: 'ubuntu@20.04' },
        'base "ubuntu@20.04" is not supported, supported bases are: ubuntu@24.04',
      ],
      ['unknown storage', { storage: { disk: '1G' } }, 'charm "web" has no store called "disk"'],
      ['a machine that is not there', { to: ['7'] }, 'machine 7 not found'],
      ['a bad name', { application: 'web-1' }, 'invalid application name "web-1"'],
    ] as const) {
      test(`refuses ${what} and leaves nothing behind`, async () => {
        const path = await world.pack('web');
        const config = 'config' in request ? { ...request.config } : {};
        const wanted = { path, shown: './web.charm', ...request, config };
        const asked = deployCharm(world.model, {
          ...wanted,
          storage: 'storage' in request ? { ...request.storage } : {},
          to: 'to' in request ? [...request.to] : [],
        });
        await assert.rejects(asked, { message });
        assert.equal(world.store.get('SELECT 1 FROM application'), undefined);
        assert.equal(world.store.get('SELECT 1 FROM machine'), undefined);
      });
    }

    test('refuses a second application of the same name', async () => {
      await world.deploy('web');
      await assert.rejects(world.deploy('web'), /application "web" already exists/);
    });

    test('refuses files that are no charm, each with its reason', async () => {
      const shown = './web.charm';
      const missing = deployCharm(world.model, { path: '/nonexistent.charm', shown });
      await assert.rejects(missing, { message: 'no charm was found at "./web.charm"' });
      const noZip = deployCharm(world.model, { path: import.meta.filename, shown });
      await assert.rejects(noZip, /invalid charm or bundle provided at "\.\/web\.charm"/);
      const bare = world.deploy('web', { without: ['metadata.yaml'] });
      await assert.rejects(bare, { message: 'archive file "metadata.yaml" not found' });
      await assert.rejects(
        world.deploy('web', { dispatchMode: 0o644 }),
        /dispatch is not executable/,
      );
      await assert.rejects(world.deploy('web', { manifest: 'bases: []' }), /at least one base/);
    });

    for (const [assumes, fits] of [
      ['[juju >= 3.6]', true],
      ['[juju >= 4.0.15]', true],
      ['[juju >= 4.1]', false],
      ['[juju < 5]', true],
      ['[k8s-api]', false],
      ['[{any-of: [k8s-api, juju >= 3]}]', true],
      ['[{all-of: [k8s-api, juju >= 3]}]', false],
    ] as const) {
      test(`a charm that assumes ${assumes} is ${fits ? 'taken' : 'refused'}`, async () => {
        const metadata = `summary: s\ndescription: d\nassumes: ${assumes}\n`;
        const asked = world.deploy('web', { metadata });
        if (fits) assert.equal((await asked).length, 2);
        else await assert.rejects(asked, /Charm cannot be deployed because/);
      });
    }
  });

  describe('storage', () => {
    test('a unit gets what the charm declares, at least as large', async () => {
      await world.deploy('web', { metadata: STORAGE });
      const rows = world.store.all('SELECT id, unit, size_mib AS size, location FROM storage');
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [
          {
            id: 'data/0',
            unit: 'web/0',
            size: 2048,
            location: world.model.layout.storageDir('data/0'),
          },
        ],
      );
    });

    test('directives name pool, size and count in any order', async () => {
      const path = await world.pack('web', { metadata: STORAGE });
      const storage = { data: 'rootfs,4G', cache: '2' };
      await deployCharm(world.model, { path, shown: 'x', storage });
      const rows = world.store.all<{ id: string; size: number }>(
        'SELECT id, size_mib AS size FROM storage ORDER BY id',
      );
      assert.deepEqual(
        rows.map(({ id, size }) => [id, size]),
        [
          ['cache/1', 1024],
          ['cache/2', 1024],
          ['data/0', 4096],
        ],
      );
    });

    for (const [directive, reason] of [
      [{ data: '1G' }, /minimum storage size/],
      [{ data: '0' }, /1 instances required, 0 specified/],
      [{ cache: '4' }, /at most 3 instances/],
      [{ data: 'ebs' }, /storage pool "ebs" not found/],
      [{ data: '4X' }, /cannot parse size "4X"/],
    ] as const) {
      test(`refuses ${JSON.stringify(directive)}`, async () => {
        const path = await world.pack('web', { metadata: STORAGE });
        const asked = deployCharm(world.model, { path, shown: 'x', storage: { ...directive } });
        await assert.rejects(asked, reason);
      });
    }

    test('what a removed unit left goes to another of its application only', async () => {
      await world.deploy('web', { metadata: STORAGE });
      await world.deploy('app', { metadata: STORAGE });
      assert.throws(
        () => attachStorage(world.model, 'web/0', ['data/1']),
        /it is attached to app\/0/,
      );
      world.store.run(`UPDATE storage SET unit = NULL WHERE id = 'data/1'`);
      assert.throws(() => attachStorage(world.model, 'web/0', ['data/1']), /it belongs to "app"/);
      assert.throws(
        () => attachStorage(world.model, 'web/0', ['data/9']),
        /storage "data\/9" not found/,
      );
      addUnit(world.model, 'app', { count: 1, attach: ['data/1'] });
      const row = world.store.get<{ unit: string }>(`SELECT unit FROM storage WHERE id = 'data/1'`);
      assert.equal(row?.unit, 'app/1');
      // It took the place of a new one.
      assert.equal(world.store.all(`SELECT id FROM storage WHERE unit = 'app/1'`).length, 1);
    });
  });

  describe('units', () => {
    test('numbers are never used again, addresses are', async () => {
      await world.deploy('web', { units: 1 });
      world.store.run(`DELETE FROM unit`);
      world.store.run(`DELETE FROM machine`);
      world.store.run(`UPDATE sequence SET next = 245 WHERE name = 'machine'`);
      assert.deepEqual(addUnit(world.model, 'web', { count: 1 }), ['adding unit web/1']);
      const machine = world.store.get<{ id: string; address: string }>('SELECT * FROM machine');
      assert.deepEqual([machine?.id, machine?.address], ['245', '127.9.9.10']);
    });

    test('when every address is taken it says so', async () => {
      await world.deploy('web', { units: 0 });
      addUnit(world.model, 'web', { count: 245 });
      assert.throws(() => addUnit(world.model, 'web', { count: 1 }), /all 245 addresses/);
      assert.equal(unitsOf(world.store, 'web').length, 245);
    });

    test('remove-unit says what goes, and a dry run only says it', async () => {
      await world.deploy('web', { metadata: STORAGE, units: 2 });
      const said = ['will remove unit web/1', '- will detach storage data/1'];
      assert.deepEqual(removeUnits(world.model, ['web/1'], { dryRun: true }), said);
      assert.equal(unitsOf(world.store, 'web')[1]?.life, 'alive');
      assert.deepEqual(removeUnits(world.model, ['web/1'], {}), said);
      assert.deepEqual(
        unitsOf(world.store, 'web').map(({ life }) => life),
        ['alive', 'dying'],
      );
      assert.throws(() => removeUnits(world.model, ['web/7'], {}), /unit "web\/7" not found/);
    });

    test('remove-application ends its units, and nothing joins it again', async () => {
      await world.deploy('web', { units: 2 });
      const lines = removeApplications(world.model, ['web'], { destroyStorage: true });
      assert.equal(lines[0], 'will remove application web');
      assert.deepEqual(
        unitsOf(world.store, 'web').map(({ life }) => life),
        ['dying', 'dying'],
      );
      assert.throws(() => addUnit(world.model, 'web', { count: 1 }), /"web" is not alive/);
    });
  });
});

/** When temporary files are led to their storage, and how that goes beside a running PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { linkTo } from '../../../src/charm/apply/temporary-files.ts';
import { temporaryFiles } from '../../../src/charm/decide/temporary-files.ts';
import type { Snapshot, TemporaryFacts } from '../../../src/charm/model/snapshot.ts';
import { UnitWorld } from '../../support/world.ts';

const world = new UnitWorld();
await world.settle();
const settled = world.snapshot();
const target = settled.layout.temp ?? assert.fail('the unit has no storage temp');

describe('temporary files', () => {
  const on = (change: Partial<TemporaryFacts>, more: Partial<Snapshot> = {}): Snapshot => ({
    ...settled,
    data: {
      ...settled.data,
      temporary: { path: '/d/tmp', link: undefined, busy: false, ...change },
    },
    ...more,
  });
  const cases: [name: string, Snapshot, steps: number][] = [
    ['no link yet', on({}), 1],
    ['a link elsewhere, as after a restore on another storage', on({ link: '/other' }), 1],
    ['the link', on({ link: target }), 0],
    ['a directory with files of a query', on({ busy: true }), 0],
    ['no storage for them', on({}, { layout: { ...settled.layout, temp: undefined } }), 0],
    ['nothing observed', { ...settled, data: { ...settled.data, systemIdentifier: '1' } }, 0],
  ];
  for (const [name, snapshot, steps] of cases) {
    test(name, () => {
      const decided = temporaryFiles(snapshot);
      assert.equal(decided.length, steps);
      if (steps === 0) return;
      assert.partialDeepStrictEqual(decided, [
        { kind: 'link-temporary-files', args: { path: '/d/tmp', target } },
      ]);
    });
  }

  test('data that are still being made are left alone', () => {
    const making = on({});
    const data = { ...making.data, systemIdentifier: undefined };
    assert.deepEqual(temporaryFiles({ ...making, data }), []);
  });
});

describe('the link', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'temporary-'));
    path = join(directory, 'pgsql_tmp');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const leads = async () => {
    assert.deepEqual(await readdir(directory), ['pgsql_tmp']);
    return readlink(path).catch(() => 'nowhere');
  };

  test('is made where nothing is', async () => {
    await linkTo(path, '/storage');
    assert.equal(await leads(), '/storage');
  });

  test('takes the place of another, and of an empty directory', async () => {
    await symlink('/old', path);
    await linkTo(path, '/storage');
    assert.equal(await leads(), '/storage');
    await rm(path);
    await mkdir(path);
    await linkTo(path, '/storage');
    assert.equal(await leads(), '/storage');
  });

  test('leaves a directory with files alone', async () => {
    await mkdir(path);
    await writeFile(join(path, 'pgsql_tmp1.0'), '');
    await linkTo(path, '/storage');
    assert.equal(await leads(), 'nowhere');
    assert.deepEqual(await readdir(path), ['pgsql_tmp1.0']);
  });
});

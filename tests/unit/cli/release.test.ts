/** Installing a build: whole or not at all, the one before is kept, what is there is left alone. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { currentRelease, installRelease } from '../../../src/cli/release.ts';

describe('a release', () => {
  let directory: string;
  let root: string;
  let built: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pgc-'));
    root = join(directory, 'D');
    built = join(directory, 'release');
    await mkdir(join(built, 'chunks'), { recursive: true });
    await writeFile(join(built, 'controller.js'), 'one');
    await writeFile(join(built, 'chunks', 'a.js'), 'a');
    await writeFile(join(built, 'hook-tool'), '#!/bin/sh\n', { mode: 0o755 });
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const releases = () => readdirSync(join(root, 'release')).filter((name) => name !== 'current');

  describe('installRelease', () => {
    test('copies everything that runs and names it current', async () => {
      assert.equal(await currentRelease(root), undefined);
      const { hash, changed } = await installRelease(root, built);
      assert.equal(changed, true);
      assert.equal(await currentRelease(root), hash);
      const current = join(root, 'release', 'current');
      assert.equal(readFileSync(join(current, 'chunks', 'a.js'), 'utf8'), 'a');
      for (const program of ['node', 'hook-tool', 'juju-exec', 'is-powered-off']) {
        assert.equal(statSync(join(root, 'bin', program)).mode & 0o777, 0o755);
      }
    });

    test('the same build again changes nothing', async () => {
      const { hash } = await installRelease(root, built);
      const node = statSync(join(root, 'bin', 'node')).ino;
      assert.deepEqual(await installRelease(root, built), { hash, changed: false });
      assert.equal(statSync(join(root, 'bin', 'node')).ino, node);
    });

    test('keeps the one before and no older ones', async () => {
      const hashes: string[] = [];
      for (const text of ['one', 'two', 'three']) {
        await writeFile(join(built, 'controller.js'), text);
        hashes.push((await installRelease(root, built)).hash);
      }
      assert.deepEqual(releases().sort(), hashes.slice(1).sort());
      const current = join(root, 'release', 'current', 'controller.js');
      assert.equal(readFileSync(current, 'utf8'), 'three');
    });

    test('without a build it says what to run', async () => {
      await rm(built, { recursive: true });
      await assert.rejects(installRelease(root, built), {
        code: 'not-built',
        hint: /npm run build/,
      });
      assert.ok(!existsSync(root));
    });
  });
});

/** What keeps installations apart and lets a controller find its place again. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { hasRebooted, hostIdentity } from '../../src/controller/machines/boot.ts';
import { reserveSubnet } from '../../src/controller/machines/subnet.ts';
import { daemonLog } from '../../src/controller/state/daemon-log.ts';
import { takeInstanceLock } from '../../src/controller/state/instance-lock.ts';
import { Store } from '../../src/controller/state/store.ts';
import { fillModel } from '../support/small-model.ts';

describe('a controller’s place', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgc-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  describe('one controller per directory', () => {
    test('the second is refused in plain words; the place is free after the first', () => {
      const first = takeInstanceLock(dir);
      assert.throws(() => takeInstanceLock(dir), { code: 'already-running' });
      first.release();
      takeInstanceLock(dir).release();
    });
  });

  describe('the subnet', () => {
    test('is kept; another installation gets another one', async () => {
      const [one, two] = [new Store(':memory:'), new Store(':memory:')];
      const mine = await reserveSubnet(one, dir);
      const theirs = await reserveSubnet(two, dir);
      assert.notEqual(mine.prefix, theirs.prefix);
      await mine.close();
      const again = await reserveSubnet(one, dir);
      assert.equal(again.prefix, mine.prefix);
      assert.equal(one.meta('subnet'), mine.prefix);
      await Promise.all([again.close(), theirs.close()]);
      one.close();
      two.close();
    });

    test('is not changed under machines that have addresses in it', async () => {
      const store = new Store(':memory:');
      const taken = await reserveSubnet(new Store(':memory:'), dir);
      store.setMeta('subnet', taken.prefix);
      const other = await reserveSubnet(store, dir); // Without machines it may move.
      assert.notEqual(other.prefix, taken.prefix);
      await other.close();
      store.setMeta('subnet', taken.prefix);
      fillModel(store, { a: 1 });
      await assert.rejects(reserveSubnet(store, dir), { code: 'subnet-taken' });
      await taken.close();
      store.close();
    });
  });

  describe('a restart of the host', () => {
    test('is seen by its identity or by the lost marker; the first start is none', () => {
      const marker = join(dir, 'marker');
      assert.equal(hasRebooted(undefined, marker), false);
      assert.ok(existsSync(marker));
      assert.equal(hasRebooted(hostIdentity(), marker), false);
      assert.equal(hasRebooted('another/1', marker), true);
      assert.equal(hasRebooted(hostIdentity(), join(dir, 'emptied')), true);
      assert.equal(hasRebooted(hostIdentity(), undefined), false);
    });
  });

  describe('the daemon’s log', () => {
    test('is private, and bounded whatever is written', async () => {
      const path = join(dir, 'log', 'controller.log');
      const log = daemonLog(path);
      for (let line = 0; line < 1500; line += 1) log.info('x'.repeat(8000));
      log.info('the last one');
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.ok(statSync(path).size < 5 * 1024 * 1024);
      assert.ok(statSync(`${path}.1`).size < 5 * 1024 * 1024);
      assert.match(await readFile(path, 'utf8'), /INFO the last one\n$/);
    });
  });
});

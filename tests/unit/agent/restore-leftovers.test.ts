/** What becomes of the data of before a restore on a unit that was away when it ended. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  decideLeftovers,
  type LeftoverMove,
  type RestoreRecord,
} from '../../../src/agent/decide/restore-leftovers.ts';
import { moveAside, tagsAside } from '../../../src/agent/jobs/old-data.ts';
import { putRight } from '../../../src/agent/work/restore-tasks.ts';

const record = (outcome: RestoreRecord['outcome'], proven = false, id = 'b'): RestoreRecord => {
  return { id, outcome, proven };
};
const back = (tag: string): LeftoverMove => ({ move: 'put-back', tag });
const none: LeftoverMove = { move: 'none' };
const discard: LeftoverMove = { move: 'discard' };

describe('data of before a restore', () => {
  const cases: [string, string[], RestoreRecord | undefined, LeftoverMove][] = [
    ['none there', [], record('failed'), none],
    ['at work', ['b'], record('running'), none],
    ['at work and proven', ['b'], record('running', true), none],
    ['another restore at work', ['a'], record('running'), none],
    ['failed', ['b'], record('failed'), back('b')],
    ['failed after the proof', ['b'], record('failed', true), discard],
    ['done', ['b'], record('done', true), discard],
    ['of a restore that other work has followed', ['a'], undefined, back('a')],
    ['of a restore that another has followed', ['a'], record('done', true), back('a')],
    ['of two restores', ['a', 'b'], record('failed'), back('b')],
  ];
  for (const [name, tags, newest, expected] of cases) {
    test(`${name}: ${expected.move}`, () => {
      assert.deepEqual(decideLeftovers(tags, newest), expected);
    });
  }
});

describe('putting right', () => {
  /** Data and WAL set aside, something else in their place. */
  async function interrupted(body: (data: string) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'left-'));
    const [data, wal] = [join(directory, 'data/main'), join(directory, 'wal/pg_wal')];
    await mkdir(data, { recursive: true });
    await mkdir(wal, { recursive: true });
    await writeFile(join(data, 'table'), 'old');
    await writeFile(join(wal, 'segment'), 'old');
    await symlink(wal, join(data, 'pg_wal'));
    await moveAside(data, 'b');
    await mkdir(data);
    await writeFile(join(data, 'table'), 'half');
    await body(data).finally(() => rm(directory, { recursive: true }));
  }
  const content = async (data: string) => [
    await readFile(join(data, 'table'), 'utf8'),
    await readFile(join(data, 'pg_wal/segment'), 'utf8').catch(() => 'none'),
  ];

  test('an unproven restore: the old data and WAL are back, and nothing is aside', () =>
    interrupted(async (data) => {
      assert.deepEqual(await tagsAside(data), ['b']);
      await putRight(data, back('b'));
      assert.deepEqual(await content(data), ['old', 'old']);
      assert.deepEqual(await tagsAside(data), []);
    }));

  test('a proven one: what was restored stays, and nothing is aside', () =>
    interrupted(async (data) => {
      await putRight(data, discard);
      assert.deepEqual(await content(data), ['half', 'none']);
      assert.deepEqual(await tagsAside(data), []);
    }));
});

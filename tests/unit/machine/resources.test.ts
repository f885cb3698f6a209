/** What a unit may use: the smallest of the machine's memory and the limits above it. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { memoryBytes, systemUser } from '../../../lib/machine/resources.ts';

const MIB = 1024 * 1024;
/** A directory that stands for /, gone when the test has ended. */
async function machine(context: TestContext, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'machine-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

const meminfo = 'MemTotal:        4194304 kB\nMemFree:          100 kB\n';

describe('memory', () => {
  const table: [string, Record<string, string>, number][] = [
    ['without control groups it is the machine’s', {}, 4096],
    [
      'a limit of the unified hierarchy counts, also an ancestor’s',
      {
        'proc/self/cgroup': '0::/machine/unit\n',
        'sys/fs/cgroup/machine/memory.max': `${1024 * MIB}\n`,
        'sys/fs/cgroup/machine/unit/memory.max': 'max\n',
      },
      1024,
    ],
    [
      'the older hierarchy counts, and its "no limit" does not',
      {
        'proc/self/cgroup': '4:memory:/box\n3:cpu:/box\n',
        'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
        'sys/fs/cgroup/memory/box/memory.limit_in_bytes': `${512 * MIB}\n`,
      },
      512,
    ],
    [
      'a limit beyond the machine gives nothing',
      {
        'proc/self/cgroup': '0::/\n',
        'sys/fs/cgroup/memory.max': `${65_536 * MIB}\n`,
      },
      4096,
    ],
  ];
  for (const [what, files, mebibytes] of table) {
    test(what, async (context) => {
      const root = await machine(context, { 'proc/meminfo': meminfo, ...files });
      assert.equal(memoryBytes(root), mebibytes * MIB);
    });
  }
});

test('a user is found by the whole name', async (context) => {
  const root = await machine(context, {
    'etc/passwd': 'postgresx:x:1:1::/:\npostgres:x:101:104:P:/:/sh\n',
  });
  assert.deepEqual(systemUser('postgres', root), { name: 'postgres', uid: 101, gid: 104 });
  assert.equal(systemUser('nobody', root), undefined);
});

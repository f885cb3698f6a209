/**
 * The default bundle as if under Juju: hook tools only, and machines that see nothing of each other
 * but the network. What works here needs neither our socket nor another unit's files. All tests
 * share one deployment.
 */
import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses } from '../support/processes.ts';
import { projectRoot } from '../support/source-tree.ts';
import { accessOf, query } from '../support/sql.ts';

const APPLICATIONS = ['postgresql', 'object-store', 'data-integrator', 'monitoring'];
const skip = process.getuid?.() === 0 ? false : 'mount namespaces need root';

/** There the supervisor of a unit is a child of systemd, on the host. */
const systemd = existsSync('/run/systemd/system') && 'systemd starts the services';

/** Prints what came of a connection to each socket. */
const CONNECT = `for (const path of process.argv.slice(1)) {
  const socket = require("net").connect(path);
  socket.on("connect", () => { console.log(path, "connected"); socket.destroy(); });
  socket.on("error", (error) => console.log(path, error.code));
}`;

/** None when the process has ended. */
function namespaceOf(pid: number): string[] {
  try {
    return [readlinkSync(`/proc/${pid}/ns/mnt`)];
  } catch {
    return [];
  }
}

type Tasks = Record<string, { status: string; results?: Record<string, unknown> }>;

describe('hook tools only, hidden neighbours', { skip }, async () => {
  if (skip !== false) return;
  const isolated = { 'hook-transport': 'tools', 'machine-isolation': 'mounts' };
  const model = await startDeployment({
    model: { ...isolated, 'update-status-hook-interval': '10s' },
  });
  after(() => model.end());

  const exec = async (unit: string, command: string): Promise<string> => {
    const words = ['exec', '--unit', unit, '--format', 'json', '--', command];
    const answers = JSON.parse((await model.pgcharm(words)).stdout) as Tasks;
    return String(answers[unit]?.results?.['stdout'] ?? '');
  };
  const act = async (unit: string, action: string, ...params: string[]) => {
    const words = ['run', unit, action, ...params, '--wait', '3m', '--format', 'json'];
    const { stdout } = await model.pgcharm(words, { mayFail: true, timeoutMs: 200_000 });
    const result = (JSON.parse(stdout) as Tasks)[unit];
    assert.equal(result?.status, 'completed', stdout);
    return result.results ?? {};
  };
  const primary = async (): Promise<string | undefined> => {
    const units = Object.entries(await model.units('postgresql'));
    return units.find(([, unit]) => unit['workload-status'].message?.startsWith('Primary'))?.[0];
  };
  const below = (...parts: string[]) => join(model.root, ...parts);

  test('every application becomes active', async () => {
    await model.pgcharm(['deploy', join(projectRoot, 'bundles', 'local.yaml')]);
    await model.active(APPLICATIONS, 600_000);
  });

  test('hooks have the tools and no socket of ours', async () => {
    const names = (await exec('postgresql/0', 'env')).split('\n').map((line) => line.split('=')[0]);
    assert.ok(names.includes('JUJU_AGENT_SOCKET_ADDRESS'));
    assert.ok(!names.some((name) => name?.startsWith('PGCHARM')), names.join(' '));
    assert.equal((await exec('postgresql/0', 'config-get profile')).trim(), 'testing');
  });

  test('a unit sees its own directories and storage, and no other', async () => {
    const list = `cd '${model.root}'; ls; ls agents tools; ls -d storage/*/* || true`;
    const storage = Object.entries((await model.status()).storage.storage ?? {});
    for (const unit of ['postgresql/0', 'postgresql/1', 'data-integrator/0']) {
      const tag = `unit-${unit.replace('/', '-')}`;
      const own = storage
        .filter(([, { attachments }]) => Object.keys(attachments?.units ?? {}).includes(unit))
        .map(([id]) => `storage/${id}`);
      const expected = ['agents', 'bin', ...(own.length > 0 ? ['storage'] : []), 'tools'];
      const seen = (await exec(unit, `{ ${list}; } 2>/dev/null`)).trim().split('\n');
      assert.deepEqual(
        seen.filter((line) => line !== ''),
        [...expected, 'agents:', tag, 'tools:', tag, ...own.toSorted()],
      );
    }
  });

  test('the sockets of neighbours and of the controller cannot be opened', async () => {
    const own = below('agents/unit-postgresql-0/agent.socket');
    const others = [
      below('agents/unit-postgresql-1/agent.socket'),
      below('agents/unit-postgresql-1/pg/run/agent.sock'),
      below('controller.sock'),
    ];
    const command = ['node', '-e', `'${CONNECT}'`, own, ...others].join(' ');
    const expected = [`${own} connected`, ...others.map((path) => `${path} ENOENT`)];
    const connections = (text: string) => text.trim().split('\n').toSorted();
    assert.deepEqual(connections(await exec('postgresql/0', command)), expected.toSorted());
    const shell = await model.pgcharm(['ssh', 'postgresql/0', `ls '${below('agents')}'`]);
    assert.equal(shell.stdout, 'unit-postgresql-0\n');
  });

  test('every service of a unit lives in the one place of its machine', {
    skip: systemd,
  }, async () => {
    const place = async (unit: number) => {
      const found = findProcesses(below(`agents/unit-postgresql-${unit}`));
      const seen = new Set(found.flatMap(({ pid }) => namespaceOf(pid)));
      // What is on its way there, to run a hook, is outside for a moment.
      return found.length > 5 && seen.size === 1 ? [...seen][0] : undefined;
    };
    const places = await Promise.all(
      [0, 1, 2].map((unit) => model.until(`one place of unit ${unit}`, () => place(unit))),
    );
    assert.equal(new Set([...places, readlinkSync('/proc/self/ns/mnt')]).size, 4);
  });

  test('a row written through the pooler outlives a promotion', async () => {
    const access = await accessOf(model);
    await query(access, 'CREATE TABLE orders (id int PRIMARY KEY, what text)');
    await query(access, 'INSERT INTO orders VALUES ($1, $2)', [1, 'tea']);
    const before = await primary();
    const next = ['postgresql/0', 'postgresql/1'].find((unit) => unit !== before) ?? '';
    await act(next, 'promote-to-primary', 'scope=unit');
    await model.until('the new primary', async () => (await primary()) === next || undefined);
    await query(access, 'INSERT INTO orders VALUES ($1, $2)', [2, 'milk']);
    const rows = await query(access, 'SELECT what FROM orders ORDER BY id');
    assert.deepEqual(rows, [{ what: 'tea' }, { what: 'milk' }]);
    await model.active(APPLICATIONS);
  });

  test('a backup is made and listed', async () => {
    const made = await act('postgresql/0', 'create-backup');
    const { backups } = await act('postgresql/2', 'list-backups');
    assert.match(String(backups), /\d{4}-\d\d-\d\dT[\d:]+Z.*finished/, JSON.stringify(made));
  });

  test('a unit whose power was lost comes back into a place like the old one', async () => {
    await model.pgcharm('power-off postgresql/1');
    assert.deepEqual(findProcesses(below('agents/unit-postgresql-1')), []);
    await model.pgcharm('power-on postgresql/1');
    await model.active(APPLICATIONS);
    const seen = await exec('postgresql/1', `ls '${below('agents')}'`);
    assert.equal(seen, 'unit-postgresql-1\n');
  });
});

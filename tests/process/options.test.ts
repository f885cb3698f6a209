/**
 * Options, plugins and passwords of system users on a cluster of two under writing clients: what
 * reaches every server, what is refused with nothing applied, and that no secret is left lying
 * about. All tests share one deployment; each goes on where the last one ended.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { singleHosts, startWriters, type Writers } from '../../src/chaos/writers.ts';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { leaksBelow, secretsOf } from '../support/leaks.ts';
import { accessOf, query } from '../support/sql.ts';

const FIRST = { operator: 'first-of-operator-7f3a', replication: 'first-of-replication-7f3a' };
const SECOND = {
  operator: 'second-of-operator-91bc',
  replication: 'second-of-replication-91bc',
  rewind: 'second-of-rewind-91bc',
};

describe('options', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
  const directory = await mkdtemp(join(tmpdir(), 'pgc-secret-'));
  const running: Writers[] = [];
  after(async () => {
    for (const writers of running) writers.abandon();
    await model.end();
    await rm(directory, { recursive: true });
  });

  const config = (...values: string[]) => model.pgcharm(['config', 'postgresql', ...values]);
  const units = async () => Object.entries(await model.units('postgresql'));
  const psql = async (unit: string, text: string) =>
    (await model.pgcharm(['ssh', unit, `psql -Atc "${text}"`])).stdout.trim();
  /** Until `text` answers this on every unit. */
  const everywhere = (text: string, wanted: string) =>
    model.until(`${text}: ${wanted}`, async () => {
      const names = (await units()).map(([name]) => name);
      const answers = await Promise.all(names.map((name) => psql(name, text).catch(String)));
      return answers.every((answer) => answer === wanted) || undefined;
    });
  const blocked = (says: RegExp) =>
    model.until(`a unit blocked with ${says}`, async () => {
      const statuses = (await units()).map(([, unit]) => unit['workload-status']);
      return statuses.find(
        ({ current, message }) => current === 'blocked' && says.test(message ?? ''),
      );
    });
  const secretFile = async (passwords: Record<string, string>) => {
    const path = join(directory, 'passwords.yaml');
    await writeFile(path, JSON.stringify(passwords), { mode: 0o600 });
    return path;
  };
  const operatorLogin = async (host: string, password: string) => {
    const login = { host, port: 5432, user: 'operator', password, database: 'postgres' };
    const client = new pg.Client({ ...login, connectionTimeoutMillis: 5000 });
    await client.connect();
    await client.end();
    return true;
  };
  const underWriters = async (change: () => Promise<void>) => {
    const writers = await startWriters(singleHosts((await accessOf(model)).uris));
    running.push(writers);
    await change();
    const { lost, errors, acknowledged } = await writers.stop();
    assert.deepEqual({ lost, errors }, { lost: [], errors: 0 });
    assert.ok(acknowledged > 0);
  };

  test('passwords given at deploy: blocked until granted, then in force', async () => {
    const file = await secretFile(FIRST);
    const { stdout } = await model.pgcharm(['add-secret', 'logins', '--file', file]);
    const options = ['profile=testing', 'pooler-mode=transaction', `system-users=${stdout.trim()}`];
    const words = options.flatMap((option) => ['--config', option]);
    await model.pgcharm(['deploy', charmArchive('postgresql'), '-n', '2', ...words]);
    const name = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await blocked(/^option system-users: cannot read it; run: grant-secret secret:\S+ postgresql$/);
    await model.pgcharm('grant-secret logins postgresql');
    await model.active(['postgresql', 'data-integrator']);
    for (const [, unit] of await units()) {
      assert.ok(await operatorLogin(unit['public-address'], FIRST.operator));
      await assert.rejects(operatorLogin(unit['public-address'], 'something else'), /password/);
    }
  });

  test('a bad value blocks and applies nothing; a good one reaches every server', async () => {
    await config('memory-work-mem=5000', 'request-time-zone=Mars/Olympus');
    await blocked(/^option request-time-zone: "Mars\/Olympus" is not a time zone of /);
    for (const [name] of await units()) assert.equal(await psql(name, 'SHOW work_mem'), '4MB');
    await config('request-time-zone=Europe/Berlin', 'optimizer-random-page-cost=1.5');
    await everywhere('SHOW work_mem', '5000kB');
    await everywhere('SHOW timezone', 'Europe/Berlin');
    await everywhere('SHOW random_page_cost', '1.5');
    await model.active(['postgresql']);
  });

  test('what needs a restart: one member after the other, and clients see no error', async () => {
    await underWriters(async () => {
      await config('experimental-max-connections=120', 'instance-preload-libraries=auto_explain');
      await everywhere('SHOW max_connections', '120');
      await everywhere('SHOW shared_preload_libraries', 'pg_stat_statements,auto_explain');
      await model.active(['postgresql']);
    });
  });

  test('a plugin comes into every database, and stays while something depends on it', async () => {
    await config('plugin-hstore-enable=true', 'plugin-spi-enable=true');
    const access = await accessOf(model);
    const has = async (extension: string) => {
      const text = 'SELECT FROM pg_extension WHERE extname = $1';
      return (await query(access, text, [extension])).length > 0 || undefined;
    };
    await model.until('hstore', () => has('hstore'));
    await model.until('moddatetime', () => has('moddatetime'));
    await query(access, 'CREATE TABLE hashes (h hstore)');
    await config('plugin-hstore-enable=false', 'plugin-spi-enable=false');
    await blocked(/^cannot switch off plugin-hstore-enable: in database shop column h of table /);
    await model.until('no moddatetime', async () => !(await has('moddatetime')) || undefined);
    await query(access, 'DROP TABLE hashes');
    await model.active(['postgresql']);
    assert.equal(await has('hstore'), undefined);
    await config('plugin-timescaledb-enable=true');
    await blocked(/^option plugin-timescaledb-enable: the archive .* has no package postgresql-/);
    await config('--reset', 'plugin-timescaledb-enable');
    await model.active(['postgresql']);
  });

  test('other passwords: nobody is refused, and replication goes on with the new one', async () => {
    await underWriters(async () => {
      const file = await secretFile(SECOND);
      await model.pgcharm(['update-secret', 'logins', '--file', file]);
      for (const [, unit] of await units()) {
        await model.until('the new password', () =>
          operatorLogin(unit['public-address'], SECOND.operator).catch(() => undefined),
        );
        await assert.rejects(operatorLogin(unit['public-address'], FIRST.operator), /password/);
      }
      await model.active(['postgresql']);
    });
    const primary = (await units()).find(([, unit]) =>
      unit['workload-status'].message?.startsWith('Primary'),
    )?.[0];
    assert.ok(primary);
    const streaming = "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'";
    // The change itself may have let the stream begin anew.
    const before = await model.until('a stream', async () => {
      const now = await psql(primary, streaming).catch(String);
      return /^\d+$/.test(now) ? now : undefined;
    });
    await psql(primary, `SELECT pg_terminate_backend(${before})`);
    await model.until('another stream', async () => {
      const now = await psql(primary, streaming).catch(String);
      return (/^\d+$/.test(now) && now !== before) || undefined;
    });
  });

  test('no secret lies where another may read it', async () => {
    const given = [...Object.values(FIRST), ...Object.values(SECOND)];
    const known = [...given, ...(await secretsOf(model))];
    assert.ok(known.length > 10);
    const log = await model.pgcharm('debug-log --replay --no-tail --limit 5000');
    const said = `${log.stdout}${JSON.stringify(await model.status())}`;
    assert.ok(!known.some((secret) => said.includes(secret)), 'in the log or the status');
    assert.deepEqual(await leaksBelow(model.root, known), []);
  });
});

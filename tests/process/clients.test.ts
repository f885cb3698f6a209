/**
 * Several clients and a monitoring around one cluster of three, as their operators see them. All
 * tests share one deployment; each goes on where the last one ended.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { accessOf, connect, query } from '../support/sql.ts';

type Fields = Record<string, string>;

describe('clients', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
  after(() => model.end());

  const integrator = async (name: string, database: string, ...more: string[]) => {
    const config = [`database-name=${database}`, ...more].flatMap((each) => ['--config', each]);
    await model.pgcharm(['deploy', charmArchive('data-integrator'), name, ...config]);
    await model.pgcharm(`integrate postgresql:database ${name}:postgresql`);
  };
  const saysSo = (app: string, pattern: RegExp) =>
    model.until(`${app} says ${pattern}`, async () => {
      const message = (await model.units(app))[`${app}/0`]?.['workload-status'].message ?? '';
      return pattern.test(message) ? true : undefined;
    });
  /** Once it knows of every unit: those that joined late are told later. */
  const accessOfThree = (app: string) =>
    model.until(`three endpoints for ${app}`, async () => {
      const access = await accessOf(model, `${app}/0`);
      return access.endpoints.length === 3 ? access : undefined;
    });

  test('two clients get databases of their own, and a monitoring every target', async () => {
    const options = ['--config', 'profile=testing', '--config', 'pooler-mode=transaction'];
    await model.pgcharm(['deploy', charmArchive('postgresql'), '-n', '3', ...options]);
    await integrator('first', 'shop');
    await integrator('second', 'bank');
    await model.pgcharm(['deploy', charmArchive('monitoring')]);
    await model.pgcharm('integrate postgresql:cos-agent monitoring:metrics');
    await model.active(['postgresql', 'first', 'second', 'monitoring']);
    for (const app of ['first', 'second']) {
      const access = await accessOfThree(app);
      await query(access, 'CREATE TABLE mine (app text)');
      await query(access, 'INSERT INTO mine VALUES ($1)', [app]);
    }
  });

  test('neither can connect to the database of the other, by the pooler or past it', async () => {
    const [first, second] = [await accessOf(model, 'first/0'), await accessOf(model, 'second/0')];
    await assert.rejects(query({ ...first, database: second.database }, 'SELECT 1'));
    await assert.rejects(query({ ...second, database: first.database }, 'SELECT 1'));
    const direct = first.endpoints.map((endpoint) => endpoint.replace(':6432', ':5432'));
    const wrong = { ...first, endpoints: direct, database: second.database };
    await assert.rejects(query(wrong, 'SELECT 1'), /pg_hba|permission denied/);
    assert.deepEqual(await query({ ...wrong, database: 'shop' }, 'SELECT app FROM mine'), [
      { app: 'first' },
    ]);
  });

  test('the read-only alias of the pooler leads to a replica', async () => {
    const access = await accessOf(model, 'first/0');
    const readOnly = { ...access, database: `${access.database}_readonly` };
    const answer = await model.until('the replica read', async () =>
      query(readOnly, 'SELECT pg_is_in_recovery() AS replica, app FROM mine').catch(
        () => undefined,
      ),
    );
    assert.deepEqual(answer, [{ replica: true, app: 'first' }]);
  });

  test('when the primary moves, clients are told and keep their password', async () => {
    const before = await accessOf(model, 'first/0');
    const [first, second, third] = before.endpoints;
    const units = Object.entries(await model.units('postgresql'));
    const [next = ''] =
      units.find(([, unit]) => second?.startsWith(`${unit['public-address']}:`)) ?? [];
    await model.until('the switchover', async () => {
      const words = `run ${next} promote-to-primary scope=unit --wait 100s`;
      const answer = await model.json<Record<string, { status: string }>>(words);
      return answer[next]?.status === 'completed' ? true : undefined;
    });
    const after = await model.until('the other endpoint first', async () => {
      const access = await accessOf(model, 'first/0');
      return access.endpoints[0] === second ? access : undefined;
    });
    assert.equal(after.password, before.password);
    assert.deepEqual(after.endpoints.slice(1).toSorted(), [first, third].toSorted());
    assert.deepEqual(await query(after, 'SELECT app FROM mine'), [{ app: 'first' }]);
  });

  test('a request that cannot be served blocks with its reason until it is mended', async () => {
    await integrator('third', 'shop', 'extra-user-roles=pg_monitor');
    const why = await model.until('the refusal', async () => {
      const leader = Object.values(await model.units('postgresql')).find((unit) => unit.leader);
      const text = leader?.['workload-status'].message ?? '';
      return text.startsWith('third ') ? text : undefined;
    });
    assert.match(why, /asks for extra-user-roles "pg_monitor"; allowed is one of charmed_admin, /);
    await saysSo('third', /waiting for postgresql/);
    assert.deepEqual(await query(await accessOf(model, 'first/0'), 'SELECT app FROM mine'), [
      { app: 'first' },
    ]);
    await model.pgcharm('config third --reset extra-user-roles');
    await model.active(['postgresql', 'third']);
    // It shares the database of the first, whose owner both stand for.
    const access = await accessOf(model, 'third/0');
    await query(access, 'INSERT INTO mine VALUES ($1)', ['third']);
  });

  test('clients with a name of their own, a prefix, a group, and either protocol', async () => {
    const wishes = [
      ['builder', 'abc_0', 'extra-user-roles=charmed_admin,createdb', 'requested-entity-name=anna'],
      ['family', 'abc*', 'protocol=v1'],
      ['readers', 'shop', 'entity-type=GROUP', 'extra-group-roles=charmed_read'],
    ] as const;
    for (const [name, database, ...options] of wishes) await integrator(name, database, ...options);
    await model.active(['postgresql', 'builder', 'family', 'readers']);

    const builder = await accessOf(model, 'builder/0');
    assert.equal(builder.username, 'anna');
    // Like psql and libpq: the first host that takes writes, and a single one for those who cannot.
    const [row] = await query(builder, 'SELECT current_user AS role');
    assert.deepEqual(row, { role: 'charmed_abc_0_owner' });
    await query(builder, 'CREATE TABLE mine AS SELECT 1 AS id');
    const owner = {
      ...builder,
      endpoints: [builder.endpoints[0]?.replace(':6432', ':5432') ?? ''],
    };
    const postgres = await connect({ ...owner, database: 'postgres' });
    await postgres.query('CREATE DATABASE abc_1');
    await postgres.end();

    const family = await model.until('the prefix to mean the new database', async () => {
      const answer = await model.json<Record<string, { results: Record<string, Fields> }>>(
        'run family/0 get-credentials',
      );
      const told = answer['family/0']?.results['postgresql'];
      return told?.['prefix-databases'] === 'abc_0,abc_1' ? told : undefined;
    });
    assert.match(family['username'] ?? '', /^relation-\d+-[0-9a-f]{16}$/);
    const access = { ...(await accessOf(model, 'family/0')), database: 'abc_1' };
    const made = await model.until('the login into the new database', async () =>
      query(access, 'SELECT current_user AS role').catch(() => undefined),
    );
    assert.deepEqual(made, [{ role: 'charmed_abc_1_owner' }]);
    assert.deepEqual(await query({ ...access, database: 'abc_0' }, 'TABLE mine'), [{ id: 1 }]);
    await assert.rejects(query({ ...access, database: 'shop' }, 'SELECT 1'));
  });

  test('psql and node-postgres connect with the URIs as they were given', async () => {
    const { uris } = await accessOf(model, 'first/0');
    assert.match(uris, /:6432,.*:6432,.*:6432\/shop\?target_session_attrs=read-write$/);
    const answer = await promisify(execFile)('psql', [uris, '-Atc', 'SHOW transaction_read_only']);
    assert.equal(answer.stdout.trim(), 'off');
  });

  test('the monitoring scrapes every unit, and says so', async () => {
    // Of each unit: the agent, PgBouncer, pgBackRest, PostgreSQL, Patroni and a voter of etcd.
    const up = await model.until('all targets up', async () => {
      const { stdout } = await model.pgcharm('run monitoring/0 targets --format json');
      return stdout.includes('"up":"18"') ? stdout : undefined;
    });
    assert.match(up, /"total":"18"/);
    await saysSo('monitoring', /^scraping 18 targets; /);
  });

  test('a client that goes loses its login; the others and the data stay', async () => {
    const gone = await accessOf(model, 'third/0');
    await model.pgcharm('remove-application --no-prompt third');
    await model.until('the login refused', async () =>
      query(gone, 'SELECT 1').then(
        () => undefined,
        () => true,
      ),
    );
    const rows = await query(await accessOf(model, 'first/0'), 'SELECT app FROM mine ORDER BY app');
    assert.deepEqual(rows, [{ app: 'first' }, { app: 'third' }]);
    // The login goes in the middle of the hook, its secret with the hook's end. What stays is of
    // the first, the second, the builder and the family; a group has no login.
    await model.until('its secret gone', async () => {
      const secrets = await model.json<Record<string, { label?: string }>>('secrets');
      const labels = Object.values(secrets).map(({ label = '' }) => label);
      const logins = labels.filter((label) => label.endsWith('.user.secret'));
      return logins.length === 4 ? true : undefined;
    });
  });
});

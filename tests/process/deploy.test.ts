/**
 * From nothing to a row written through the pooler, and what an operator sees on the way. All tests
 * share one deployment.
 */
import assert from 'node:assert/strict';
import { readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parents } from '../../src/chaos/census.ts';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses, killAndWait } from '../support/processes.ts';
import { accessOf, query } from '../support/sql.ts';

describe('deploy', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
  after(() => model.end());
  const postmasters = () =>
    parents(findProcesses(model.root, 'bin/postgres', '-D')).map(
      ({ pid, started }) => `${pid}/${started}`,
    );

  test('one unit and a client become active', async () => {
    const options = ['--config', 'profile=testing', '--config', 'pooler-mode=transaction'];
    await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
    const name = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.active(['postgresql', 'data-integrator']);
    const unit = (await model.units('postgresql'))['postgresql/0'];
    assert.equal(unit?.leader, true);
    assert.match(unit['workload-status'].message ?? '', /primary/i);
    assert.equal(postmasters().length, 1);
  });

  test('a row written through the pooler is there on the next connection', async () => {
    const access = await accessOf(model);
    assert.deepEqual(
      access.endpoints.map((endpoint) => endpoint.split(':')[1]),
      ['6432'],
    );
    await query(access, 'CREATE TABLE orders (id int PRIMARY KEY, what text)');
    await query(access, 'INSERT INTO orders VALUES ($1, $2)', [1, 'tea']);
    assert.deepEqual(await query(access, 'SELECT * FROM orders'), [{ id: 1, what: 'tea' }]);
  });

  test('a wrong password is refused', async () => {
    const access = await accessOf(model);
    await assert.rejects(query({ ...access, password: 'wrong' }, 'SELECT 1'), { code: /^28|08/ });
  });

  test('the database runs on while the controller is dead; the controller comes back', async () => {
    const access = await accessOf(model);
    const before = postmasters();
    await killAndWait(findProcesses(model.root, 'controller.js'));
    assert.deepEqual(await query(access, 'SELECT what FROM orders'), [{ what: 'tea' }]);
    await model.active(['postgresql', 'data-integrator']);
    assert.deepEqual(postmasters(), before);
  });

  test('an option that is not allowed blocks the unit, says so, and heals by itself', async () => {
    const before = postmasters();
    await model.pgcharm('config postgresql profile=huge');
    const message = await model.until('blocked', async () => {
      const unit = (await model.units('postgresql'))['postgresql/0'];
      const { current, message } = unit?.['workload-status'] ?? {};
      return current === 'blocked' ? message : undefined;
    });
    assert.match(message, /profile.*huge.*production/);
    await model.pgcharm('config postgresql profile=testing');
    await model.active(['postgresql']);
    assert.deepEqual(postmasters(), before);
  });

  test('temporary files lie on their storage, which a restart may empty', async () => {
    const psql = async (text: string) => {
      const words = ['ssh', 'postgresql/0', `psql -XAtqc "${text}"`];
      return (await model.pgcharm(words)).stdout.trim().split('\n').at(-1) ?? '';
    };
    const place = await readlink(`${await psql('SHOW data_directory')}/base/pgsql_tmp`);
    assert.ok(place.startsWith(join(model.root, 'storage/temp')), place);
    /** Files of a sort that does not fit into memory, while it is at work. */
    const spilled = () =>
      psql(
        "SET work_mem = '64kB'; DECLARE sorted CURSOR FOR SELECT g FROM " +
          'generate_series(1, 200000) AS g ORDER BY md5(g::text); FETCH sorted; ' +
          `SELECT count(*) > 0 FROM pg_ls_dir('${place}')`,
      );
    assert.equal(await spilled(), 't');
    assert.deepEqual(await readdir(place), []);
    await model.pgcharm('power-off postgresql/0');
    await rm(place, { recursive: true });
    await model.pgcharm('power-on postgresql/0');
    await model.active(['postgresql', 'data-integrator']);
    assert.equal(await spilled(), 't');
  });

  test('without the relation the user goes and the data stays', async () => {
    const access = await accessOf(model);
    await model.pgcharm('remove-relation postgresql:database data-integrator:postgresql');
    await model.until('the login refused', async () =>
      query(access, 'SELECT 1').then(
        () => undefined,
        () => true,
      ),
    );
    // The relation itself goes when the last unit has said goodbye.
    await model.until('the relation gone', async () => {
      const { relations } = (await model.status()).applications['data-integrator'] ?? {};
      return relations?.['postgresql'] === undefined ? true : undefined;
    });
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.active(['postgresql', 'data-integrator']);
    const anew = await model.until('new credentials', () => accessOf(model).catch(() => undefined));
    assert.notEqual(anew.password, access.password);
    assert.deepEqual(await query(anew, 'SELECT what FROM orders'), [{ what: 'tea' }]);
  });
});

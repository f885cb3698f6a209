/**
 * A hook of the real charm that has made a login and then may not commit, because its unit lost
 * leadership meanwhile: nothing of it is published, and the next leader makes it good.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { poll } from '../../lib/std/clock.ts';
import {
  type ProcessRecord,
  signalGroup,
  statOf,
} from '../../src/controller/runner/process-record.ts';
import { Store } from '../../src/controller/state/store.ts';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { accessOf, query } from '../support/sql.ts';

const run = promisify(execFile);

const VERIFIER = `SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'relation-%'`;

/** Whether a password is the one that PostgreSQL keeps this verifier of (RFC 5803). */
function isOf(password: string, verifier: string): boolean {
  const [, rounds = '', salt = '', stored] = verifier.split(/[$:]/);
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return createHash('sha256').update(clientKey).digest('base64') === stored;
}

describe('a hook whose commit is refused', async () => {
  // With the hook tools a hook takes long enough to be stopped in the middle.
  const model = await startDeployment({
    model: { 'hook-transport': 'tools', 'update-status-hook-interval': '10s' },
  });
  after(() => model.end());
  const store = new Store(join(model.root, 'state', 'controller.db'));
  after(() => store.close());

  const unitWhere = async (
    wanted: (unit: { leader?: boolean | undefined; message: string }) => boolean,
  ): Promise<string> => {
    const units = Object.entries(await model.units('postgresql'));
    const found = units.find(([, unit]) =>
      wanted({ leader: unit.leader, message: unit['workload-status'].message ?? '' }),
    );
    assert.ok(found, await model.diagnosis());
    return found[0];
  };
  const psql = async (unit: string, text: string): Promise<string> => {
    const directory = join(model.root, 'agents', `unit-${unit.replace('/', '-')}`);
    return (await run(join(directory, 'pg', 'bin', 'psql'), ['-Atc', text])).stdout.trim();
  };
  const isRelated = () =>
    store.get(`SELECT 1 FROM relation_endpoint
      WHERE application = 'data-integrator' AND name = 'postgresql'`) !== undefined;
  /** Secrets that hold a client's login. */
  const credentials = () =>
    store.all(`SELECT s.id FROM secret s JOIN secret_revision r ON r.secret_id = s.id
      WHERE s.owner = 'postgresql' AND json_extract(r.content, '$.username') IS NOT NULL
      GROUP BY s.id`);
  /**
   * Stops the unit's hook when it has made the login and its secret, and is about the next one.
   * Undefined when it has ended before it could be stopped.
   */
  const stopInMidHook = async (unit: string): Promise<number | undefined> => {
    const entity = `unit-${unit.replace('/', '-')}`;
    const sql = `SELECT 1 FROM log WHERE entity = ? AND message LIKE '%issue-tls-secret: %'`;
    const probe = async () => (store.get(sql, entity) === undefined ? undefined : true);
    assert.ok(await poll(probe, { timeoutMs: 180_000, everyMs: 5 }), await model.diagnosis());
    const row = store.get<{ process: string }>('SELECT process FROM unit WHERE name = ?', unit);
    const record = JSON.parse(row?.process ?? 'null') as ProcessRecord | null;
    if (record === null || !signalGroup(record.pid, 'SIGSTOP')) return undefined;
    const state = () => statOf(record.pid)?.[0] ?? 'gone';
    await poll(async () => (/^(T|Z|X|gone)$/.test(state()) ? true : undefined), {
      timeoutMs: 60_000,
      everyMs: 5,
    });
    return state() === 'T' ? record.pid : undefined;
  };
  /** Integrates, and holds the hook that serves the client before it commits. */
  const stoppedHook = async (leader: string): Promise<number> => {
    const ends = 'postgresql:database data-integrator:postgresql';
    for (let attempt = 0; attempt < 5; attempt += 1) {
      // The command may end after the hook has: watch from before it.
      const [pid] = await Promise.all([stopInMidHook(leader), model.pgcharm(`integrate ${ends}`)]);
      if (pid !== undefined && credentials().length === 0) return pid;
      // This process was too late.
      if (pid !== undefined) signalGroup(pid, 'SIGCONT');
      await model.pgcharm(`remove-relation ${ends}`);
      await model.until('no relation', async () => (isRelated() ? undefined : true));
      await model.active(['postgresql']);
      store.run(`DELETE FROM log WHERE message LIKE '%issue-tls-secret: %'`);
    }
    return assert.fail('the hook has always been faster');
  };
  const logHas = (pattern: RegExp) =>
    model.until(String(pattern), async () => {
      const { stdout } = await model.pgcharm('debug-log --replay --no-tail --level ERROR');
      return pattern.test(stdout) ? true : undefined;
    });

  test('publishes no credential, and the next leader issues others', async () => {
    await model.pgcharm([
      ...['deploy', charmArchive('postgresql'), '-n', '2'],
      ...['--config', 'profile=testing', '--config', 'pooler-mode=transaction'],
    ]);
    const name = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
    await model.active(['postgresql']);
    const leader = await unitWhere((unit) => unit.leader === true);
    const other = await unitWhere((unit) => unit.leader !== true);
    const primary = await unitWhere(({ message }) => message.startsWith('Primary'));

    const pid = await stoppedHook(leader);
    const refused = await psql(primary, VERIFIER);
    assert.match(refused, /^SCRAM-SHA-256\$/);
    // What a second controller of a larger installation would do to a leader it cannot hear.
    store.run(
      'UPDATE lease SET unit = ?, expires = ? WHERE application = ?',
      ...[other, Date.now() + 60_000, 'postgresql'],
    );
    process.kill(-pid, 'SIGCONT');

    const unit = leader.replace('/', '-');
    await logHas(new RegExp(`unit-${unit}: .* hook "[a-z-]+" .* failed: .*not the leader`));
    await model.active(['postgresql', 'data-integrator']);
    assert.equal(await unitWhere((each) => each.leader === true), other);
    const access = await accessOf(model);
    assert.ok(isOf(access.password, await psql(primary, VERIFIER)));
    assert.ok(!isOf(access.password, refused));
    assert.deepEqual(await query(access, 'SELECT 1 AS one'), [{ one: 1 }]);
    assert.equal(credentials().length, 1);
  });
});

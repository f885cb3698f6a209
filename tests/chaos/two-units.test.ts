/**
 * Two units, which have one voter of etcd between them, beside the primary: the loss of the replica
 * must interrupt nothing, the loss of the primary waits for an operator, and the unit that was
 * given up finds its place as a replica when it comes back. With a witness nobody waits for an
 * operator, and without it again all is as before. The tests follow each other.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { charmArchive } from '../support/build.ts';
import { FaultWorld } from '../support/fault-world.ts';

describe('two units', async () => {
  const world = await FaultWorld.start({ units: 2, config: ['failover-profile=fast'] });
  after(() => world.end());
  const { model, writers } = world;
  const promote = async (unit: string, ...params: string[]) => {
    const words = ['run', unit, 'promote-to-primary', 'scope=unit', ...params, '--wait', '4m'];
    const answers = await model.json<Record<string, { status: string; message?: string }>>(words);
    return answers[unit] ?? { status: 'absent' };
  };
  const messageOf = async (unit: string) =>
    (await model.units('postgresql'))[unit]?.['workload-status'].message ?? '';

  test('the voter of etcd stands beside the primary', async () => {
    await world.recovered(2);
    await model.until('beside each other', async () =>
      (await world.etcdLeader()) === (await world.primary()) ? true : undefined,
    );
  });

  test('the replica is lost: writes go on, on the same server, without an error', async () => {
    const primary = await world.primary();
    const [replica = ''] = await world.replicas();
    const before = { ...(await writers.check()), server: await serverOf(world, primary) };
    const machine = await world.machineOf(replica);
    await model.pgcharm(['power-off', machine]);
    await world.writing();
    // The primary says that it is alone, and stays what it is.
    await model.until('degraded', async () =>
      /^Primary \(degraded\)/.test(await messageOf(primary)) ? true : undefined,
    );
    await world.writing();
    const report = await writers.check();
    assert.deepEqual(report.lost, []);
    assert.equal(report.errors, before.errors);
    assert.equal(await serverOf(world, primary), before.server);
    await model.pgcharm(['power-on', machine]);
    await world.recovered(2);
    assert.equal(await serverOf(world, primary), before.server);
  });

  test('the replica is lost while it becomes synchronous: writes wait, and go on', async () => {
    const primary = await world.primary();
    const [replica = ''] = await world.replicas();
    const machine = await world.machineOf(replica);
    const waitsFor = () => world.shell(primary, 'psql -Atc "SHOW synchronous_standby_names"');
    await model.pgcharm(['power-off', machine]);
    await model.until('alone', async () => ((await waitsFor()) === '' ? true : undefined));
    await model.pgcharm(['power-on', machine]);
    // PostgreSQL waits for it from now on, Patroni records it two seconds later.
    const waits = async () => ((await waitsFor()) === '' ? undefined : true);
    await model.until('about to be synchronous', waits);
    await model.pgcharm(['power-off', machine]);
    await world.writing();
    assert.equal(await waitsFor(), '');
    await model.pgcharm(['power-on', machine]);
    await world.recovered(2);
    assert.equal(await world.primary(), primary);
  });

  test('the primary is lost: the survivor names the way out, and takes it when told', async () => {
    const lost = await world.primary();
    const [survivor = ''] = await world.replicas();
    const machine = await world.machineOf(lost);
    await model.pgcharm(['power-off', machine]);
    await model.until('a status that says what to do', async () =>
      /promote-to-primary .*force=true/.test(await messageOf(survivor)) ? true : undefined,
    );
    const refused = await promote(survivor);
    assert.equal(refused.status, 'failed');
    assert.match(refused.message ?? '', /force=true/);
    const server = await serverOf(world, survivor);
    assert.partialDeepStrictEqual(await promote(survivor, 'force=true'), { status: 'completed' });
    await world.writing();
    assert.deepEqual((await writers.check()).lost, []);
    // Who reads from the survivor meanwhile keeps the connection.
    assert.equal(await serverOf(world, survivor), server);

    // A row that the old primary's server accepts would be lost with its timeline.
    const attempts = attemptWrites(world.directUri(await world.addressOf(lost)));
    await model.pgcharm(['power-on', machine]);
    await world.recovered(2);
    const { accepted, refusals } = await attempts.end();
    assert.equal(accepted, 0);
    assert.ok(refusals.has('25006'), `it was never asked as a replica: ${[...refusals].join()}`);
    assert.equal(await world.primary(), survivor);
    await model.until('the voter stays with the survivor', async () =>
      (await world.etcdLeader()) === survivor ? true : undefined,
    );
  });

  test('with a witness the primary is lost, and the other unit takes over by itself', async () => {
    const lost = await world.primary();
    const [survivor = ''] = await world.replicas();
    const votes = (unit: string) =>
      model.until(
        'a witness that votes',
        async () => (/^Primary; witness\/0 votes$/.test(await messageOf(unit)) ? true : undefined),
        120_000,
      );
    await model.pgcharm(['deploy', charmArchive('witness')]);
    await model.pgcharm('integrate witness:watcher postgresql:watcher-offer');
    await votes(lost);
    const [beside] = Object.values(await model.units('witness'));
    await model.pgcharm(['power-off', beside?.machine ?? '']);
    const before = { ...(await writers.check()), server: await serverOf(world, lost) };
    await world.writing();
    const whileAway = await writers.check();
    assert.deepEqual(whileAway.lost, []);
    assert.equal(whileAway.errors, before.errors);
    assert.equal(await serverOf(world, lost), before.server);
    await model.pgcharm(['power-on', beside?.machine ?? '']);
    await votes(lost);

    const machine = await world.machineOf(lost);
    await model.pgcharm(['power-off', machine]);
    await world.writing();
    assert.deepEqual((await writers.check()).lost, []);
    assert.match(await messageOf(survivor), /^Primary/);
    await model.pgcharm(['power-on', machine]);
    await votes(survivor);
  });

  test('the witness is removed: one voter is left, and nothing of it', async () => {
    await model.pgcharm(['remove-application', 'witness', '--no-prompt']);
    await world.recovered(2);
    assert.equal((await model.status()).applications['witness'], undefined);
  });
});

interface Attempts {
  accepted: number;
  refusals: ReadonlySet<unknown>;
}

/**
 * Tries to write on one server, again and again, until it is told to end.
 *
 * @returns how often it succeeded, and the SQLSTATEs of the refusals (25006: read-only)
 */
function attemptWrites(uri: string): { end(): Promise<Attempts> } {
  const state = { running: true, accepted: 0, refusals: new Set<unknown>() };
  const loop = async () => {
    do {
      const client = new pg.Client({ connectionString: uri, connectionTimeoutMillis: 3000 });
      client.on('error', () => {});
      await client
        .connect()
        .then(() => client.query("INSERT INTO acknowledged VALUES ('from the past')"))
        .then(() => {
          state.accepted += 1;
        })
        .catch((error: { code?: unknown }) => {
          state.refusals.add(error.code);
        });
      void client.end().catch(() => {});
      await delay(100);
    } while (state.running);
  };
  const ended = loop();
  return {
    async end() {
      state.running = false;
      await ended;
      return state;
    },
  };
}

/** Identity of the unit's postmaster. */
async function serverOf(world: FaultWorld, unit: string): Promise<string> {
  const { postmaster } = await world.census(unit);
  return postmaster.map(({ pid, started }) => `${pid}/${started}`).join();
}

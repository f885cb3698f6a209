/**
 * What clients of a real cluster of three see when the primary is lost, when somebody keeps a
 * switchover from holding them, and when everything is only slow. One cluster for all tests.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { SILENT_TICKS, TICK_MS } from '../../src/agent/decide/silence.ts';
import { startWriters, type WritersReport } from '../../src/chaos/writers.ts';
import type { Role } from '../../src/charm/model/world.ts';
import { createPatroni } from '../../src/charm/workload/patroni.ts';
import { AgentHarness } from '../support/agent-harness.ts';

const WRITERS = 6;
/** A writer whose connection has broken tries again after 100 ms. */
const AGAIN_MS = 100;

describe('clients that wait', () => {
  let harness: AgentHarness;

  before(async () => {
    harness = await AgentHarness.create(3);
    await harness.startServers();
    await harness.createApp();
    // What is acknowledged must be on the one that takes over.
    await patch({ synchronous_mode: true });
    await settled();
  });
  after(() => harness?.destroy());

  /** Changes Patroni's dynamic configuration. */
  const patch = async (change: Record<string, unknown>): Promise<void> => {
    const { patroni, paths, members } = harness.cluster.desired(0);
    const addresses = members.map(({ address }) => address);
    const client = createPatroni({ ...patroni, addresses, tls: paths.tls });
    await client.patchConfig(change).finally(() => client.close());
  };

  /** The index of the member in this role. */
  const inRole = (role: Role): Promise<number> =>
    harness.until(role, async () => {
      const { cluster } = await harness.world(0);
      const found = cluster.known && cluster.value.members.find((each) => each.role === role);
      const index = harness.cluster.members.findIndex(
        ({ member }) => found && member === found.name,
      );
      return index < 0 ? undefined : index;
    });

  /** All stream, one is synchronous, every pooler leads to the primary and every agent hears it. */
  const settled = async (): Promise<number> => {
    await harness.allStreaming();
    await inRole('sync-standby');
    const primary = await harness.primary();
    await harness.allRoutedTo(primary);
    await harness.heardByAll(primary);
    return primary;
  };

  const underWriters = async (work: () => Promise<void>): Promise<WritersReport> => {
    const uris = harness.cluster.members.map((_, index) => harness.appUri(index));
    const writers = await startWriters(uris, WRITERS);
    try {
      await harness.until('rows', async () => writers.acknowledged() > 3 * WRITERS || undefined);
      await work();
      const reached = writers.acknowledged() + 3 * WRITERS;
      await harness.until('rows', async () => writers.acknowledged() > reached || undefined);
    } finally {
      writers.abandon();
    }
    const report = await writers.stop();
    assert.deepEqual(report.lost, []);
    return report;
  };

  /** How often the agents have found the primary lost. */
  const losses = (): number =>
    harness.agents
      .flatMap((_, n) => readFileSync(`${harness.cluster.dir}/agent-${n}.log`, 'utf8').split('\n'))
      .filter((line) => line.includes('the primary is lost')).length;

  test('an open transaction ends a switchover before anything moves, or is ended', async () => {
    const primary = await settled();
    const sleeper = new pg.Client(harness.appAt(0));
    sleeper.on('error', () => undefined);
    await sleeper.connect();
    await sleeper.query('BEGIN');
    await sleeper.query('SELECT 1');
    const { errors } = await underWriters(async () => {
      const { outcome, message } = await harness.switchover(undefined);
      assert.equal(outcome, 'failed');
      assert.match(message, /postgresql\/0: a transaction stays open .*end-transactions=true/);
      assert.equal(await harness.primary(), primary);
      const id = await harness.agent(0).startWork('switchover', { 'end-transactions': 'true' });
      const ending = await harness.agent(0).followWork(id, () => undefined);
      assert.equal(ending.outcome, 'done', ending.message);
    });
    assert.equal(errors, 0);
    assert.notEqual(await harness.primary(), primary);
    await assert.rejects(sleeper.query('COMMIT'));
    await sleeper.end();
  });

  test('a pooler that does not answer ends a switchover before anything moves', async () => {
    const primary = await settled();
    const pooler = harness.cluster.process('pgbouncer-2');
    pooler?.kill('SIGSTOP');
    const ended = harness.switchover(undefined).finally(() => pooler?.kill('SIGCONT'));
    const { outcome, message } = await ended;
    assert.equal(outcome, 'failed');
    assert.match(message, /cannot hold the clients of postgresql\/2/);
    assert.equal(await settled(), primary);
  });

  test('a frozen replica, a busy machine and slow queries hold nobody', async () => {
    await settled();
    const earlier = losses();
    const frozen = harness.cluster.serverPids(await inRole('replica'));
    const burners = [0, 1].map((n) =>
      harness.cluster.start(`burner-${n}`, 'sh', ['-c', 'while :; do :; done']),
    );
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    const relieve = () => {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
      for (const burner of burners) burner.kill('SIGKILL');
    };
    const clients = Array.from({ length: 120 }, (_, n) => new pg.Client(harness.appAt(n % 3)));
    const { errors } = await underWriters(async () => {
      for (const client of clients) {
        client.on('error', () => undefined);
        await client.connect();
      }
      const slow = 'SELECT count(*) FROM generate_series(1, 50000)';
      // Longer than the silence of a primary would have to be.
      const silence = delay((SILENT_TICKS + 4) * TICK_MS);
      await Promise.all([silence, ...clients.map((client) => client.query(slow))]);
    }).finally(relieve);
    await Promise.all(clients.map((client) => client.end()));
    assert.equal(errors, 0);
    assert.equal(losses(), earlier);
  });

  test('of a crashed primary only statements in flight see an error; new logins wait', async () => {
    const primary = await settled();
    const { errors, longestStallMs } = await underWriters(async () => {
      const earlier = losses();
      process.kill(harness.cluster.postmasterPid(primary) ?? 0, 'SIGKILL');
      await harness.until('loss', async () => losses() >= earlier + 3 || undefined);
      const rows = await harness.asApp(primary, 'shop', 'SELECT pg_is_in_recovery() AS replica');
      assert.deepEqual(rows, [{ replica: false }]);
    });
    assert.ok(longestStallMs > AGAIN_MS);
    assert.ok(errors <= WRITERS, `${errors} errors`);
  });

  test('who has waited for long enough is told: cannot connect now', async () => {
    const primary = await settled();
    for (const index of harness.agents.keys()) {
      const { pooler } = harness.cluster.desired(index);
      const short = { ...pooler, failoverWait: { seconds: 1 } };
      harness.cluster.writeDesired(index, { generation: 2, pooler: short });
      assert.equal(await harness.agent(index).apply(2, 60_000), 2);
    }
    // Nobody takes over meanwhile.
    await patch({ pause: true });
    await harness.until('maintenance mode', async () => {
      const { cluster } = await harness.world(0);
      return (cluster.known && cluster.value.paused) || undefined;
    });
    process.kill(harness.cluster.postmasterPid(primary) ?? 0, 'SIGKILL');
    await harness.until('refusal', () =>
      harness.asApp(1, 'shop', 'SELECT 1').then(
        () => undefined,
        (error: unknown) => isRefusal(error) || undefined,
      ),
    );
    await patch({ pause: null });
    await harness.until('answer', () => harness.asApp(1, 'shop', 'SELECT 1'));
  });
});

function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '57P03';
}

/**
 * Work across units on a real cluster of three under writing clients: what they see of a switchover
 * and of a rolling restart, and what becomes of work whose owner is killed.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createPatroni } from '../../src/charm/workload/patroni.ts';
import { AgentHarness } from '../support/agent-harness.ts';

/** Inserts without a pause on one connection until it is stopped; keeps what went wrong. */
class Writer {
  readonly errors: string[] = [];
  acknowledged = 0;
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(config: pg.ClientConfig) {
    this.#ended = this.#run(config);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(config: pg.ClientConfig): Promise<void> {
    const client = new pg.Client(config);
    client.on('error', (error) => this.errors.push(error.message));
    await client.connect();
    while (!this.#stopped && this.errors.length === 0) {
      try {
        await client.query('INSERT INTO written DEFAULT VALUES');
        this.acknowledged += 1;
      } catch (error) {
        this.errors.push(String(error));
      }
      await delay(5);
    }
    await client.end().catch(() => undefined);
  }
}

describe('work across units', () => {
  let harness: AgentHarness;

  before(async () => {
    harness = await AgentHarness.create(3);
    await harness.startServers();
    await harness.createApp();
    await harness.asApp(0, 'shop', 'CREATE TABLE written (n bigserial)');
  });
  after(() => harness?.destroy());

  const underWriters = async (work: () => Promise<void>) => {
    const count = async () => {
      const rows = await harness.asApp(0, 'shop', 'SELECT count(*)::int AS n FROM written');
      return Number(rows[0]?.['n']);
    };
    const before = await count();
    const writers = [0, 1, 2, 0, 1, 2].map((index) => new Writer(harness.appAt(index)));
    try {
      await harness.until(
        'rows',
        async () => writers.every((w) => w.acknowledged > 0) || undefined,
      );
      await work();
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
    }
    const errors = writers.flatMap((writer) => writer.errors);
    const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
    return { errors, acknowledged, found: (await count()) - before };
  };

  test('clients of transaction pools see no error of a switchover', async () => {
    await harness.allStreaming();
    const before = await harness.primary();
    const seen = await underWriters(async () => {
      const { outcome, lines, message } = await harness.switchover(undefined);
      assert.equal(outcome, 'done', message);
      assert.ok(lines.includes('clients wait at 3 of 3 poolers'), lines.join('\n'));
      await harness.allRoutedTo(await harness.primary());
    });
    assert.deepEqual(seen.errors, []);
    assert.equal(seen.found, seen.acknowledged);
    assert.notEqual(await harness.primary(), before);
  });

  /** Changes the parameter and restarts whoever needs it, under writers. */
  const changeWorkers = async (value: number) => {
    await harness.allStreaming();
    const { patroni, paths, members } = harness.cluster.desired(0);
    const addresses = members.map(({ address }) => address);
    const client = createPatroni({ ...patroni, addresses, tls: paths.tls });
    await client.patchConfig({ postgresql: { parameters: { max_worker_processes: value } } });
    client.close();
    await harness.until('need for a restart', async () => {
      const { cluster } = await harness.world(0);
      return (cluster.known && cluster.value.members.every((m) => m.pendingRestart)) || undefined;
    });
    const lines: string[] = [];
    const seen = await underWriters(async () => {
      const id = await harness.agent(1).startWork('restart', { 'only-pending': 'true' });
      const ending = await harness.agent(1).followWork(id, (line) => lines.push(line));
      assert.equal(ending.outcome, 'done', `${ending.message}\n${lines.join('\n')}`);
    });
    assert.deepEqual(seen.errors, []);
    assert.equal(seen.found, seen.acknowledged);
    for (const index of members.keys()) {
      const [row] = await harness.asOperator('SHOW max_worker_processes', index);
      assert.equal(row?.['max_worker_processes'], String(value));
    }
    await harness.until('no need for a restart', async () => {
      const { cluster } = await harness.world(0);
      return (cluster.known && !cluster.value.members.some((m) => m.pendingRestart)) || undefined;
    });
    return lines;
  };

  test('a raised parameter: replicas first, then a switchover; clients see no error', async () => {
    const before = await harness.primary();
    const lines = await changeWorkers(12);
    const restarted = lines.filter((line) => line.startsWith('restarting '));
    // The old primary has mostly read its configuration anew by its demotion.
    const last = restarted.indexOf(`restarting postgresql-${before}`);
    assert.ok(restarted.length >= 2 && [-1, 2].includes(last), lines.join('\n'));
    assert.notEqual(await harness.primary(), before);
  });

  test('a lowered parameter: the primary first, in its place; clients see no error', async () => {
    const before = await harness.primary();
    const lines = await changeWorkers(9);
    const restarted = lines.filter((line) => line.startsWith('restarting '));
    assert.equal(restarted[0], `restarting postgresql-${before}`, lines.join('\n'));
    assert.equal(restarted.length, 3, lines.join('\n'));
    assert.equal(await harness.primary(), before);
  });

  test('a member is cloned anew when that is asked for, and the primary never', async () => {
    await harness.allStreaming();
    const primary = await harness.primary();
    const replica = (primary + 1) % 3;
    const reclone = (index: number) => {
      const { member } = harness.cluster.at(index).member;
      return harness.agent(0).startWork('reclone', { member });
    };
    await assert.rejects(reclone(primary), { code: 'reclone-refused' });
    const remains = harness.file(replica, 'data', 'main', 'of-the-old-copy');
    writeFileSync(remains, '');
    const ending = await harness.agent(0).followWork(await reclone(replica), () => undefined);
    assert.equal(ending.outcome, 'done', ending.message);
    await harness.until('new copy', async () => !existsSync(remains) || undefined);
    await harness.allStreaming();
    assert.equal(await harness.primary(), primary);
  });

  test('work whose owner is killed is finished by another agent, and clients go on', async () => {
    await harness.allStreaming();
    await harness.allRoutedTo(await harness.primary());
    const before = await harness.primary(1);
    const id = await harness.agent(0).startWork('switchover', {});
    const owner = await harness.until('phase that holds clients', async () => {
      const { work } = await harness.world(1);
      return work?.phase === 'switchover' || work?.outcome === 'done' ? work.owner : undefined;
    });
    await harness.cluster.end('agent-0', 'SIGKILL');
    // As its supervisor does; by then another agent owns the work.
    await harness.until('another owner', async () => {
      const { work } = await harness.world(1);
      return work?.outcome === 'done' || work?.owner !== owner || undefined;
    });
    harness.startAgent(0);
    const ending = await harness.agent(1).followWork(id, () => undefined);
    assert.equal(ending.outcome, 'done', ending.message);
    const now = await harness.primary(1);
    assert.notEqual(now, before);
    await harness.allRoutedTo(now);
    for (const index of [0, 1, 2]) {
      await harness.until('pooler that is not paused', async () => {
        const { pooler } = await harness.world(index);
        return (pooler.known && !pooler.value.paused) || undefined;
      });
    }
  });
});

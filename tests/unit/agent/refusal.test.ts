/** The server that refuses everybody, asked by a client library as PgBouncer would. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { poll } from '../../../lib/std/clock.ts';
import { logTo } from '../../../lib/std/log.ts';
import { Refusal } from '../../../src/agent/pooler/refusal.ts';
import { REFUSAL_PORT } from '../../../src/charm/workload/pgbouncer.ts';

describe('a refusing server', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pgcr-'));
  const path = join(dir, `.s.PGSQL.${REFUSAL_PORT}`);
  const refusal = new Refusal(
    logTo(() => undefined),
    () => '15.9',
  );
  refusal.ensure({ dir, owner: undefined });
  refusal.ensure({ dir, owner: undefined });
  await poll(async () => existsSync(path) || undefined, { timeoutMs: 30_000, everyMs: 5 });
  after(() => {
    refusal.close();
    rmSync(dir, { recursive: true });
  });

  const login = async (): Promise<pg.Client> => {
    const client = new pg.Client({ host: dir, port: REFUSAL_PORT, user: 'any', database: 'any' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };

  for (const [kind, values] of [
    ['a simple', undefined],
    ['a parametrised', ['x']],
  ] as const) {
    test(`answers ${kind} query with: cannot connect now`, async () => {
      const client = await login();
      const query = client.query('SELECT $1', values === undefined ? values : [...values]);
      await assert.rejects(query, { code: '57P03', severity: 'FATAL' });
      await client.end();
    });
  }

  test('lets nobody encrypt, and ends what is no session', async () => {
    const answers = await Promise.all(
      [80_877_103, 80_877_102, 131_072].map((code) => firstAnswer(path, code)),
    );
    assert.deepEqual(answers, ['N', '', '']);
  });
});

function firstAnswer(path: string, code: number): Promise<string> {
  const packet = Buffer.alloc(8);
  packet.writeInt32BE(8);
  packet.writeInt32BE(code, 4);
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.write(packet));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', () => undefined); // It may hang up before it has read.
    socket.once('close', () => resolve(''));
  });
}

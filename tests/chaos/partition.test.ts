/**
 * Three units on machines with a network of their own, and a network that loses what is sent: no
 * acknowledged row is lost, and a primary that the others do not hear takes no write. The tests
 * follow each other.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { FaultWorld } from '../support/fault-world.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

describe('a network that loses what is sent', { skip }, async () => {
  if (skip !== false) return;
  const config = ['failover-profile=fast'];
  const world = await FaultWorld.start({ units: 3, config, ownNetworks: true });
  after(() => world.end());
  const { model, writers } = world;
  const othersThan = async (unit: string) =>
    (await world.unitNames()).filter((name) => name !== unit).join(',');

  test('a primary that is cut off from the others takes no write, and another does', async () => {
    const before = await world.primary();
    const uri = world.directUri(await world.addressOf(before));
    await model.until('writes past the pooler', async () => (await accepts(uri)) || undefined);
    // Clients on the host still reach it: it must refuse them by itself.
    await model.pgcharm(['cut', before, '--from', await othersThan(before)]);
    await world.writing();
    assert.equal(await accepts(uri), false);
    await world.writing();
    await model.pgcharm('mend');
    await world.recovered(3);
    assert.notEqual(await world.primary(), before);
  });

  test('a replica that hears nothing of the primary keeps nobody from writing', async () => {
    const primary = await world.primary();
    const [replica = ''] = await world.replicas();
    await model.pgcharm(['cut', replica, '--from', primary, '--direction', 'in']);
    await world.writing();
    assert.deepEqual((await writers.check()).lost, []);
    await model.pgcharm('mend');
    await world.recovered(3);
  });
});

/** Whether a row is acknowledged by the server itself, past every pooler. */
async function accepts(uri: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: uri,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  client.on('error', () => {}); // A server that goes ends the query too.
  try {
    await client.connect();
    await client.query('CREATE TABLE IF NOT EXISTS tried (at timestamptz)');
    await client.query('INSERT INTO tried VALUES (now())');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

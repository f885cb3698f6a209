/**
 * Continuous writers over the cluster's poolers that remember every acknowledged row, so that a
 * test can say after any fault whether one was lost. A row whose acknowledgement was cut off counts
 * as unknown: it may be there or not.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface WritersReport {
  /** Rows whose INSERT was acknowledged. */
  acknowledged: number;
  /** Acknowledged rows that are not in the table: must be empty. */
  lost: string[];
  /** Statements and connections that ended in an error. */
  errors: number;
  /** The longest time between two acknowledgements of one writer. */
  longestStallMs: number;
}

export interface Writers {
  /** Rows acknowledged so far. */
  acknowledged(): number;
  /** Compares the table with what was acknowledged before the call; writing goes on. */
  check(): Promise<WritersReport>;
  /** Stops writing, then compares the table with what was acknowledged. */
  stop(): Promise<WritersReport>;
  /** Stops writing and asks nothing: for a database that may be gone. */
  abandon(): void;
}

interface Tally {
  acknowledged: Set<string>;
  errors: number;
  longestStallMs: number;
  running: boolean;
}

const PAUSE_MS = 20;

/**
 * @param uris connection strings of single hosts, tried in turn; credentials of one client
 * @param count writers at once, default 4
 */
export async function startWriters(uris: readonly string[], count = 4): Promise<Writers> {
  await withClient(uris, async (client) => {
    await client.query('CREATE TABLE IF NOT EXISTS acknowledged (row text PRIMARY KEY)');
  });
  const tally: Tally = { acknowledged: new Set(), errors: 0, longestStallMs: 0, running: true };
  // Writers that come later write into the same table.
  const run = randomUUID().slice(0, 8);
  const writers = Array.from({ length: count }, (_, at) => write(uris, `${run}-${at}`, tally));
  const check = async (): Promise<WritersReport> => {
    const rows = [...tally.acknowledged];
    const stored = await storedRows(uris);
    const { errors, longestStallMs } = tally;
    const lost = rows.filter((row) => !stored.has(row));
    return { acknowledged: rows.length, lost, errors, longestStallMs };
  };
  return {
    acknowledged: () => tally.acknowledged.size,
    check,
    async stop() {
      tally.running = false;
      await Promise.all(writers);
      return check();
    },
    abandon() {
      tally.running = false;
    },
  };
}

/** A multi-host URI as one URI per host, in its order. */
export function singleHosts(uri: string): string[] {
  const match = /^(postgresql:\/\/[^@]*@)([^/]+)(\/.*)$/.exec(uri);
  if (match === null) throw new Error('not a connection string of this form');
  const [, before = '', hosts = '', after = ''] = match;
  return hosts.split(',').map((host) => before + host + after);
}

async function write(uris: readonly string[], name: string, tally: Tally): Promise<void> {
  let client: pg.Client | undefined;
  let last = Date.now();
  let host = 0;
  for (let sequence = 0; tally.running; sequence++) {
    const row = `${name}-${sequence}`;
    try {
      client ??= await connect(uris[host % uris.length] ?? '');
      await client.query('INSERT INTO acknowledged VALUES ($1)', [row]);
      tally.acknowledged.add(row);
      tally.longestStallMs = Math.max(tally.longestStallMs, Date.now() - last);
      last = Date.now();
      await delay(PAUSE_MS);
    } catch {
      tally.errors += 1;
      host += 1;
      await client?.end().catch(() => {});
      client = undefined;
      await delay(PAUSE_MS * 5);
    }
  }
  await client?.end().catch(() => {});
}

async function connect(uri: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: uri,
    connectionTimeoutMillis: 3000,
    query_timeout: 15_000,
  });
  // A connection that breaks between two statements is reported by the next one.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function withClient<T>(
  uris: readonly string[],
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (let attempt = 0; attempt < 60; attempt++) {
    try {
      const client = await connect(uris[attempt % uris.length] ?? '');
      try {
        return await use(client);
      } finally {
        await client.end().catch(() => {});
      }
    } catch (error) {
      failure = error;
      await delay(500);
    }
  }
  throw failure;
}

function storedRows(uris: readonly string[]): Promise<Set<string>> {
  return withClient(uris, async (client) => {
    const { rows } = await client.query<{ row: string }>('SELECT row FROM acknowledged');
    return new Set(rows.map(({ row }) => row));
  });
}

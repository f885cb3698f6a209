/**
 * Continuous writers over the cluster's poolers that remember every acknowledged row, so that after
 * any fault it can be said whether one was lost or is there twice. A row whose acknowledgement was
 * cut off counts as unknown: it may be there or not, and nobody writes it again.
 */
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';

export interface WritersReport {
  /** Rows whose INSERT was acknowledged. */
  acknowledged: number;
  /** Acknowledged rows that are not in the table: must be empty. */
  lost: string[];
  /** Rows that are in the table more than once: must be empty. */
  duplicates: string[];
  /** Statements and connections that ended in an error, from the start. */
  errors: number;
  /** The longest time between two acknowledgements of one writer, from the start. */
  longestStallMs: number;
}

/** Since the last `mark`. */
export interface Felt {
  /** Per writer: the longest time between two acknowledgements, one that goes on included. */
  stallsMs: number[];
  errors: number;
}

export interface Writers {
  /** Rows acknowledged so far. */
  acknowledged(): number;
  /** How many rows each of the writers has had acknowledged. */
  progress(): number[];
  /** What is felt counts from here. */
  mark(): void;
  felt(): Felt;
  /** Compares the table with what was acknowledged before the call; writing goes on. */
  check(): Promise<WritersReport>;
  /** Stops writing, then compares the table with what was acknowledged. */
  stop(): Promise<WritersReport>;
  /** Stops writing and asks nothing: for a database that may be gone. */
  abandon(): void;
  /** Drops the table. @throws when no server lets it within half a minute */
  drop(): Promise<void>;
}

const PAUSE_MS = 20;
const AGAIN_MS = 500;
const ATTEMPTS = 60;

/**
 * @param uris connection strings of single hosts, tried in turn; credentials of one client
 * @param count writers at once, default 4
 * @param table a name that needs no quotes; made when it is not there
 */
export async function startWriters(
  uris: readonly string[],
  count = 4,
  table = 'acknowledged',
): Promise<Writers> {
  // Without a key: a row that was written twice has to be seen, not refused.
  await ask(uris, `CREATE TABLE IF NOT EXISTS ${table} (row text)`);
  // Writers that come later write into the same table.
  const run = randomUUID().slice(0, 8);
  const writers = Array.from({ length: count }, (_, n) => new Writer(uris, table, `${run}-${n}`));
  const check = async (): Promise<WritersReport> => {
    const rows = writers.flatMap((writer) => [...writer.acknowledged]);
    const stored = await storedRows(uris, table, run);
    return {
      acknowledged: rows.length,
      lost: rows.filter((row) => !stored.has(row)),
      duplicates: [...stored].flatMap(([row, times]) => (times > 1 ? [row] : [])),
      errors: writers.reduce((sum, { errors }) => sum + errors, 0),
      longestStallMs: Math.max(...writers.map(({ longestMs }) => longestMs)),
    };
  };
  return {
    acknowledged: () => writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0),
    progress: () => writers.map((writer) => writer.acknowledged.size),
    mark() {
      for (const writer of writers) writer.mark();
    },
    felt: () => ({
      stallsMs: writers.map((writer) => writer.stallMs()),
      errors: writers.reduce((sum, writer) => sum + writer.errorsSinceMark(), 0),
    }),
    check,
    async stop() {
      await Promise.all(writers.map((writer) => writer.stop()));
      return check();
    },
    abandon() {
      for (const writer of writers) void writer.stop();
    },
    drop: () => ask(uris, `DROP TABLE IF EXISTS ${table}`),
  };
}

/** A multi-host URI as one URI per host, in its order. */
export function singleHosts(uri: string): string[] {
  const match = /^(postgresql:\/\/[^@]*@)([^/]+)(\/.*)$/.exec(uri);
  if (match === null) throw new Error('not a connection string of this form');
  const [, before = '', hosts = '', after = ''] = match;
  return hosts.split(',').map((host) => before + host + after);
}

class Writer {
  readonly acknowledged = new Set<string>();
  errors = 0;
  longestMs = 0;
  #errorsBefore = 0;
  #sinceMarkMs = 0;
  #last = performance.now();
  #running = true;
  readonly #uris: readonly string[];
  readonly #insert: string;
  readonly #ended: Promise<void>;

  constructor(uris: readonly string[], table: string, name: string) {
    this.#uris = uris;
    this.#insert = `INSERT INTO ${table} VALUES ($1)`;
    this.#ended = this.#run(name);
  }

  mark(): void {
    this.#errorsBefore = this.errors;
    this.#sinceMarkMs = 0;
    this.#last = performance.now();
  }

  stallMs(): number {
    return Math.max(this.#sinceMarkMs, performance.now() - this.#last);
  }

  errorsSinceMark(): number {
    return this.errors - this.#errorsBefore;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  async #run(name: string): Promise<void> {
    let connection: Connection | undefined;
    let host = 0;
    for (let sequence = 0; this.#running; sequence++) {
      const row = `${name}-${sequence}`;
      try {
        connection ??= await connect(this.#uris[host % this.#uris.length] ?? '');
        await connection.client.query(this.#insert, [row]);
        this.#written(row);
        await delay(PAUSE_MS);
      } catch {
        this.errors += 1;
        host += 1;
        await connection?.leave();
        connection = undefined;
        await delay(PAUSE_MS * 5);
      }
    }
    await connection?.leave();
  }

  #written(row: string): void {
    this.acknowledged.add(row);
    const now = performance.now();
    this.#sinceMarkMs = Math.max(this.#sinceMarkMs, now - this.#last);
    this.longestMs = Math.max(this.longestMs, now - this.#last);
    this.#last = now;
  }
}

interface Connection {
  client: Client;
  /** Says goodbye, and leaves a server that does not hear it: one that is cut off never does. */
  leave(): Promise<void>;
}

const GOODBYE_MS = 1000;

async function connect(uri: string): Promise<Connection> {
  const { default: pg } = await import('pg');
  const socket = new Socket();
  const client = new pg.Client({
    stream: () => socket,
    connectionString: uri,
    connectionTimeoutMillis: 3000,
    query_timeout: 15_000,
  });
  // A connection that breaks between two statements is reported by the next one.
  client.on('error', () => {});
  await client.connect();
  return {
    client,
    async leave() {
      const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
      await client.end().catch(() => {});
      clearTimeout(timer);
    },
  };
}

async function withClient<T>(
  uris: readonly string[],
  use: (client: Client) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const { client, leave } = await connect(uris[attempt % uris.length] ?? '');
      try {
        return await use(client);
      } finally {
        await leave();
      }
    } catch (error) {
      failure = error;
      await delay(AGAIN_MS);
    }
  }
  throw failure;
}

async function ask(uris: readonly string[], statement: string): Promise<void> {
  await withClient(uris, (client) => client.query(statement));
}

/** Rows of this run, with how often each is there. */
function storedRows(
  uris: readonly string[],
  table: string,
  run: string,
): Promise<Map<string, number>> {
  return withClient(uris, async (client) => {
    const { rows } = await client.query<{ row: string; times: number }>(
      `SELECT row, count(*)::integer AS times FROM ${table} WHERE row LIKE $1 GROUP BY row`,
      [`${run}-%`],
    );
    return new Map(rows.map(({ row, times }) => [row, times]));
  });
}

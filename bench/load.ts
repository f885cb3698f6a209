/**
 * Clients that write all the time, and what they feel: errors, and the longest time between two
 * acknowledgements. Reached through poolers or straight at the servers, they do the same.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** Half of them commit each statement by itself, half write in transactions of two. */
const CLIENTS = 16;
const PAUSE_MS = 5;
/** After an error; a client that looks for a primary tries the next host. */
const AGAIN_MS = 20;

export interface Felt {
  errors: number;
  /** Of all clients; a stall that has not ended counts up to now. */
  longestStallMs: number;
}

export class Load {
  readonly #clients: LoadClient[];

  /** @param uris of single hosts, tried in turn by each client, from a place of its own */
  constructor(uris: readonly string[]) {
    this.#clients = Array.from({ length: CLIENTS }, (_, n) => {
      const first = n % uris.length;
      return new LoadClient([...uris.slice(first), ...uris.slice(0, first)], n % 2 === 1);
    });
  }

  static async prepare(uri: string): Promise<void> {
    const client = new pg.Client(uri);
    await client.connect();
    await client.query('CREATE TABLE IF NOT EXISTS load (id bigserial PRIMARY KEY, row text)');
    await client.end();
  }

  /** What is felt from now on. */
  reset(): void {
    for (const client of this.#clients) client.reset();
  }

  felt(): Felt {
    return {
      errors: this.#clients.reduce((sum, { errors }) => sum + errors, 0),
      longestStallMs: Math.max(...this.#clients.map((client) => client.longestStallMs())),
    };
  }

  /** Until every client has written since the call. */
  async writes(timeoutMs = 120_000): Promise<void> {
    const before = this.#clients.map(({ written }) => written);
    const wrote = () => this.#clients.every(({ written }, n) => written > (before[n] ?? 0) + 1);
    for (const end = performance.now() + timeoutMs; !wrote(); await delay(20)) {
      if (performance.now() > end) throw new Error(`clients do not write within ${timeoutMs} ms`);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
  }
}

class LoadClient {
  errors = 0;
  written = 0;
  #longestMs = 0;
  #last = performance.now();
  #stopped = false;
  readonly #uris: readonly string[];
  readonly #ended: Promise<void>;

  constructor(uris: readonly string[], inTransactions: boolean) {
    this.#uris = uris;
    this.#ended = this.#run(inTransactions);
  }

  reset(): void {
    this.errors = 0;
    this.#longestMs = 0;
    this.#last = performance.now();
  }

  longestStallMs(): number {
    return Math.max(this.#longestMs, performance.now() - this.#last);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(inTransactions: boolean): Promise<void> {
    let client: pg.Client | undefined;
    for (let attempt = 0; !this.#stopped; ) {
      try {
        client ??= await connect(this.#uris[attempt % this.#uris.length] ?? '');
        await write(client, inTransactions);
        this.#acknowledged();
        await delay(PAUSE_MS);
      } catch {
        this.errors += 1;
        attempt += 1;
        void client?.end().catch(() => {});
        client = undefined;
        await delay(AGAIN_MS);
      }
    }
    await client?.end().catch(() => {});
  }

  #acknowledged(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#last);
    this.#last = now;
    this.written += 1;
  }
}

async function write(client: pg.Client, inTransactions: boolean): Promise<void> {
  const insert = "INSERT INTO load (row) VALUES ('x')";
  if (!inTransactions) {
    await client.query(insert);
    return;
  }
  await client.query('BEGIN');
  await client.query(insert);
  await client.query(insert);
  await client.query('COMMIT');
}

async function connect(uri: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: uri, connectionTimeoutMillis: 60_000 });
  client.on('error', () => {});
  await client.connect();
  return client;
}

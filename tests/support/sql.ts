/**
 * Talks to a deployed database as a client does: credentials from data-integrator, connections with
 * node-postgres through the pooler or straight to a server.
 */
import pg from 'pg';
import type { Deployment } from './deployment.ts';

export interface Access {
  /** `host:port` of every unit's pooler, the primary's first. */
  endpoints: string[];
  database: string;
  username: string;
  password: string;
  uris: string;
}

interface Answer {
  status: string;
  results?: { postgresql?: Record<string, string> };
}

/** What `get-credentials` answers. @throws when the client has none yet */
export async function accessOf(
  deployment: Deployment,
  unit = 'data-integrator/0',
): Promise<Access> {
  const answers = await deployment.json<Record<string, Answer>>(
    // The hooks before it come first.
    `run ${unit} get-credentials --wait 100s`,
  );
  const given = answers[unit]?.results?.postgresql;
  if (given === undefined)
    throw new Error(`${unit} has no credentials: ${JSON.stringify(answers)}`);
  const { endpoints = '', database = '', username = '', password = '', uris = '' } = given;
  return { endpoints: endpoints.split(','), database, username, password, uris };
}

/** A connection to the first endpoint, or to `endpoint`; the caller ends it. */
export async function connect(access: Access, endpoint = access.endpoints[0]): Promise<pg.Client> {
  const [host = '', port = ''] = (endpoint ?? '').split(':');
  const client = new pg.Client({
    host,
    port: Number(port),
    database: access.database,
    user: access.username,
    password: access.password,
    connectionTimeoutMillis: 60_000,
  });
  // A server that dies under an idle client is reported here; the next query fails anyway.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** One statement on a connection of its own. @returns its rows */
export async function query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  access: Access,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = await connect(access);
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

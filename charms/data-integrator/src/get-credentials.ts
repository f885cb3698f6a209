/** `get-credentials`: everything a client needs to connect, as nested results. */
import { type Action, accept, type Planned, refuse } from '../../../lib/charm/action.ts';
import { ENDPOINT } from './observe.ts';
import { answerTo } from './request.ts';
import type { Steps, World } from './world.ts';

export const getCredentials: Action<World, Steps, Record<string, never>> = {
  name: 'get-credentials',
  parse: () => ({}),
  plan,
};

function plan({ options, relations }: World): Planned<Steps> {
  if (options.databaseName === '') {
    return refuse('no-database-name', 'cannot get credentials: option database-name is not set');
  }
  const relation = relations.find((candidate) => !candidate.ending);
  if (relation === undefined) {
    return refuse('not-related', 'cannot get credentials: not integrated with a database');
  }
  const connection = answerTo(relation, options);
  if (connection === undefined) {
    const message = `cannot get credentials: ${relation.app} has not granted any yet`;
    return refuse('no-credentials', message);
  }
  const [username, password] = relation.user === undefined ? ENTITY : LOGIN;
  const fields: Record<string, string | undefined> = {
    data: relation.remoteApp['data'],
    database: connection.database,
    endpoints: connection.endpoints,
    [password]: connection.password,
    'prefix-databases': connection.prefixDatabases?.join(','),
    'read-only-endpoints': connection.readOnlyEndpoints,
    'read-only-uris': connection.readOnlyUris,
    'single-host-read-only-uris': relation.user?.['single-host-read-only-uris'],
    'single-host-uris': relation.user?.['single-host-uris'],
    tls: connection.tls ? 'True' : 'False',
    'tls-ca': connection.tlsCa,
    uris: connection.uris,
    [username]: connection.username,
    version: connection.version,
  };
  const given = Object.entries(fields).filter((field): field is [string, string] => !!field[1]);
  return accept<Steps>([], {
    ok: 'True',
    ...Object.fromEntries(given.map(([name, value]) => [`${ENDPOINT}.${name}`, value])),
  });
}

/** What the interface calls name and password. */
const LOGIN = ['username', 'password'] as const;
const ENTITY = ['entity-name', 'entity-password'] as const;

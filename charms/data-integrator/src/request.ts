/** What the options amount to as a request, and what was answered to it. Pure. */

import {
  type Connection,
  parseResponse,
  saidOf,
} from '../../../lib/relations/postgresql-client.ts';
import {
  receivedRequests,
  requestData,
  requestDataV1,
} from '../../../lib/relations/postgresql-client-request.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import type { Options, Relation } from './world.ts';

/** The application's databag for this relation. */
export function wantedData(relation: Relation, options: Options): Record<string, string> {
  const { databaseName: database, extraUserRoles, entityType, extraGroupRoles, external } = options;
  // What was asked for under a name stays so after the secret has done its work.
  const entitySecret = relation.named?.uri ?? relation.localApp['requested-entity-secret'];
  const named = options.entityName === '' ? {} : { entitySecret };
  const shown = options.certificate === '' ? {} : { certificateSecret: relation.offered?.uri };
  const wish = { database, extraUserRoles, entityType, extraGroupRoles, external };
  const asked = { ...wish, ...named, ...shown };
  if (options.protocol !== 'v1') return requestData(asked);
  return requestDataV1(asked, requestId(relation, options), salt(relation));
}

/** Undefined until everything that a connection takes is there. */
export function answerTo(relation: Relation, options: Options): Connection | undefined {
  const id = options.protocol === 'v1' ? requestId(relation, options) : undefined;
  const { user, tls, entity } = relation;
  return parseResponse({ bag: saidOf(relation.remoteApp, id), user, tls, entity });
}

/** Every key that a request may have in a databag. */
export const REQUEST_KEYS = [
  ...['database', 'extra-user-roles', 'extra-group-roles', 'entity-type', 'prefix-matching'],
  ...['external-node-connectivity', 'requested-entity-secret', 'requested-secrets'],
  'secret-mtls',
  ...['version', 'requests'],
];

/** What a databag asks for, by the options that say so; who may come from where is left out. */
export function askedFor(bag: Relation['localApp']): Record<string, unknown> {
  const [request] = Object.values(receivedRequests(bag));
  const from = request ?? bag;
  return {
    'database-name': from[request === undefined ? 'database' : 'resource'],
    'extra-user-roles': from['extra-user-roles'] ?? '',
    'extra-group-roles': from['extra-group-roles'] ?? '',
    'entity-type': from['entity-type'] ?? '',
    protocol: request === undefined ? 'v0' : 'v1',
  };
}

/** Stable, so that every event of every unit means the same request. */
function salt({ id }: Relation): string {
  return digestOf(`data-integrator ${id}`).slice(0, 16);
}

function requestId(relation: Relation, { databaseName }: Options): string {
  return digestOf(`${databaseName}:${salt(relation)}`).slice(0, 16);
}

/** URIs of the secrets that the provider named, in either version, by group. */
export function namedSecrets(remoteApp: Relation['remoteApp'], ids: readonly string[]) {
  const bags = [remoteApp, ...ids.map((id) => saidOf(remoteApp, id))];
  const find = (key: string) => bags.map((bag) => bag[key]).find((uri) => uri !== undefined);
  return { user: find('secret-user'), tls: find('secret-tls'), entity: find('secret-entity') };
}

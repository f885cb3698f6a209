/**
 * Who the clients are: the relations, what each asks for, and the names of what it is given. Every
 * unit comes to the same answers by itself; where a relation alone does not say them, the leader
 * publishes them as facts in `database-peers`.
 */

import { parseJson } from '../../../lib/relations/databag.ts';
import {
  type ClientRequest,
  type ParsedRequest,
  type Protocol,
  parseRequests,
} from '../../../lib/relations/postgresql-client-request.ts';
import type { Relation, Snapshot } from './snapshot.ts';

export const CLIENT_ENDPOINT = 'database';
/** Key in the application's databag of `database-peers`. */
export const CLIENT_FACTS = 'clients';

/** One request of one relation. */
export interface Client {
  relation: Relation;
  protocol: Protocol;
  request: ClientRequest;
  /** Whose the role is, whatever its name: `relation-7`, or `relation-7-<request id>`. */
  mark: string;
}

/** What the relation does not say, or not for good. */
export interface ClientFact {
  /** The name that the client has chosen for its user. */
  user?: string;
  /** What the prefix that it asked for stands for at present, ascending. */
  databases?: string[];
  /** Who vouches for its certificates, PEM: the last that could be used. */
  certificate?: string;
  /** It asks for permissions, or still has some that it has asked for. */
  permissions?: true;
}

/** The relations with clients, ascending by number. */
export function clientRelations(world: Snapshot): Relation[] {
  const related = world.relations.filter((relation) => relation.endpoint === CLIENT_ENDPOINT);
  return related.toSorted((a, b) => a.id - b.id);
}

/** Requests that can be served as far as they themselves say. */
export function clientsOf(world: Snapshot): Client[] {
  return clientRelations(world)
    .filter((relation) => !relation.ending)
    .flatMap((relation) => requestsOf(relation).granted);
}

export interface RelationRequests {
  protocol: Protocol;
  granted: Client[];
  refused: Extract<ParsedRequest, { ok: false }>[];
  /** The client has not asked for anything yet, or its databag cannot be read. */
  silent: boolean;
}

export function requestsOf(relation: Relation): RelationRequests {
  const asked = parseRequests(relation.remoteApp);
  const protocol = asked?.protocol ?? 'v0';
  const requests = asked?.requests ?? [];
  const granted = requests.flatMap((parsed) => {
    if (!parsed.ok) return [];
    const { request } = parsed;
    return [{ relation, protocol, request, mark: clientMark(relation.id, request.id) }];
  });
  const refused = requests.filter((parsed) => !parsed.ok);
  return { protocol, granted, refused, silent: asked === undefined };
}

export function clientMark(relationId: number, requestId: string | undefined): string {
  return requestId === undefined ? `relation-${relationId}` : `relation-${relationId}-${requestId}`;
}

/** The relation that a mark, or a role's name of that form, belongs to. */
export function relationOfMark(text: string): number | undefined {
  const match = /^relation-(\d+)(?:-[0-9a-f]{16})?$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** By mark; empty while nothing has been published. */
export function clientFacts(world: Snapshot): Readonly<Record<string, ClientFact>> {
  const facts = parseJson(world.peers.app[CLIENT_FACTS] ?? '{}');
  return (facts ?? {}) as Record<string, ClientFact>;
}

/**
 * The role of a client; undefined as long as the name that it has chosen is not known.
 *
 * @param facts of `clientFacts`
 */
export function roleNameOf(
  { request, mark }: Client,
  facts: Readonly<Record<string, ClientFact>>,
): string | undefined {
  return request.entitySecret === undefined ? mark : facts[mark]?.user;
}

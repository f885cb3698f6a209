/**
 * `integrate` and `remove-relation`: which endpoints are meant, whether they fit, and the record.
 * Entering scope and everything that units see is their agents'.
 */
import type { EndpointSpec } from '../../../lib/contract/metadata.ts';
import type { OperatorError } from '../../../lib/std/errors.ts';
import type { Store } from '../state/store.ts';
import { aliveApplication, applicationNamed, type Model, refusal } from './model.ts';

interface Side {
  application: string;
  endpoint: EndpointSpec;
  /** Not declared: every application provides `juju-info`. */
  implicit: boolean;
}
interface Pair {
  provider: Side;
  requirer: Side;
}

const JUJU_INFO: EndpointSpec = {
  name: 'juju-info',
  role: 'provider',
  interface: 'juju-info',
  scope: 'global',
  optional: true,
};

/** `integrate`. @param first `application[:endpoint]` @throws OperatorError */
export function integrate(model: Model, first: string, second: string): string[] {
  return model.store.tx(() => {
    const pair = inferPair(model.store, first, second);
    if (isThere(model.store, pair)) throw relationExists(pair, 'already exists');
    insertRelation(model, pair);
    return [];
  });
}

/** The same for bundles: an existing relation is left alone. @returns whether it was added */
export function ensureRelation(model: Model, first: string, second: string): boolean {
  const pair = inferPair(model.store, first, second, { existingCounts: true });
  if (isThere(model.store, pair)) return false;
  insertRelation(model, pair);
  return true;
}

/** @throws OperatorError when it is on its way out: units have yet to say goodbye to the old one */
function isThere(store: Store, pair: Pair): boolean {
  const existing = findRelation(store, pair);
  if (existing?.life === 'dying') throw relationExists(pair, 'is dying, but not yet removed');
  return existing !== undefined;
}

function relationExists(pair: Pair, how: string): OperatorError {
  return refusal(
    'relation-exists',
    `cannot add relation "${shown(pair)}": relation ${shown(pair)} ${how}`,
    `Use 'pgcharm status --relations' to view the current relations.`,
  );
}

function insertRelation({ store, now }: Model, { provider, requirer }: Pair): void {
  for (const side of [requirer, provider]) checkLimit(store, side);
  const container = [provider, requirer].some((side) => side.endpoint.scope === 'container');
  if (container) {
    throw refusal(
      'container-scope',
      `cannot add relation "${shown({ provider, requirer })}": its scope is container`,
      'that takes a subordinate charm, which this controller does not support',
    );
  }
  const id = store.nextNumber('relation');
  store.run(
    'INSERT INTO relation (id, kind, interface, scope, created) VALUES (?, ?, ?, ?, ?)',
    id,
    'regular',
    provider.endpoint.interface,
    'global',
    now(),
  );
  for (const { application, endpoint } of [requirer, provider]) {
    const sql = 'INSERT INTO relation_endpoint VALUES (?, ?, ?, ?)';
    store.run(sql, id, application, endpoint.name, endpoint.role);
  }
}

function checkLimit(store: Store, { application, endpoint }: Side): void {
  if (endpoint.limit === undefined || endpoint.limit === 0) return;
  const sql =
    'SELECT count(*) AS count FROM relation_endpoint WHERE application = ? AND endpoint = ?';
  const count = store.get<{ count: number }>(sql, application, endpoint.name)?.count ?? 0;
  if (count < endpoint.limit) return;
  throw refusal(
    'relation-limit',
    `establishing a new relation for ${application}:${endpoint.name} ` +
      `would exceed its maximum relation limit of ${endpoint.limit}`,
  );
}

function inferPair(
  store: Store,
  first: string,
  second: string,
  options: { existingCounts?: boolean } = {},
): Pair {
  const [left, right] = [sides(store, first), sides(store, second)];
  const all = left.flatMap((a) => right.flatMap((b) => matches(a, b)));
  const explicit = all.filter(({ provider }) => !provider.implicit);
  const pairs = explicit.length > 0 ? explicit : all;
  const [only, ...others] = pairs;
  if (only === undefined) throw refusal('no-relation', 'no relations found');
  if (others.length === 0) return only;
  const existing = pairs.filter((pair) => findRelation(store, pair) !== undefined);
  const [there] = existing;
  if (options.existingCounts === true && existing.length === 1 && there) return there;
  const choices = pairs.map((pair) => `"${shown(pair)}"`).toSorted();
  throw refusal(
    'relation-ambiguous',
    `ambiguous relation: "${first} ${second}" could refer to ${choices.join('; ')}`,
  );
}

function matches(a: Side, b: Side): Pair[] {
  if (a.application === b.application || a.endpoint.interface !== b.endpoint.interface) return [];
  if (a.endpoint.role === 'provider' && b.endpoint.role === 'requirer') {
    return [{ provider: a, requirer: b }];
  }
  if (a.endpoint.role === 'requirer' && b.endpoint.role === 'provider') {
    return [{ provider: b, requirer: a }];
  }
  return [];
}

function sides(store: Store, text: string): Side[] {
  const [name = '', wanted] = text.split(':');
  const application = aliveApplication(store, name);
  const declared = application.charm.metadata.endpoints.filter(({ role }) => role !== 'peer');
  const all = [
    ...declared.map((endpoint) => ({ application: name, endpoint, implicit: false })),
    { application: name, endpoint: JUJU_INFO, implicit: wanted !== JUJU_INFO.name },
  ];
  if (wanted === undefined) return all;
  const chosen = all.filter(({ endpoint }) => endpoint.name === wanted);
  if (chosen.length > 0) return chosen;
  throw refusal('no-endpoint', `application "${name}" has no "${wanted}" relation`);
}

function findRelation(store: Store, { provider, requirer }: Pair): { life: string } | undefined {
  return store.get<{ life: string }>(
    `SELECT r.life FROM relation r
     JOIN relation_endpoint p ON p.relation_id = r.id
     JOIN relation_endpoint q ON q.relation_id = r.id
     WHERE p.application = ? AND p.endpoint = ? AND q.application = ? AND q.endpoint = ?`,
    provider.application,
    provider.endpoint.name,
    requirer.application,
    requirer.endpoint.name,
  );
}

function shown({ provider, requirer }: Pair): string {
  const side = ({ application, endpoint }: Side) => `${application}:${endpoint.name}`;
  return `${side(requirer)} ${side(provider)}`;
}

/** Juju's wait before a unit that does not leave by itself is left out. */
const FORCE_AFTER_MS = 60_000;

export interface RelationRemoval {
  /** Two endpoints, or one relation id. */
  endpoints: readonly string[];
  /** Units that have not left after a minute are left out. */
  force?: boolean | undefined;
}

/** `remove-relation`. */
export function removeRelation({ store, now }: Model, removal: RelationRemoval): string[] {
  const { endpoints, force } = removal;
  return store.tx(() => {
    const id = relationNamed(store, endpoints);
    const row = store.get<{ kind: string }>('SELECT kind FROM relation WHERE id = ?', id);
    if (row?.kind === 'peer') throw refusal('peer-relation', 'cannot remove a peer relation');
    store.run(`UPDATE relation SET life = 'dying' WHERE id = ? AND life = 'alive'`, id);
    if (force === true) {
      const sql = 'UPDATE relation SET forced_at = coalesce(forced_at, ?) WHERE id = ?';
      store.run(sql, now() + FORCE_AFTER_MS, id);
    }
    return [];
  });
}

function relationNamed(store: Store, endpoints: readonly string[]): number {
  const [first = '', second] = endpoints;
  if (second === undefined) {
    const id = /^\d+$/.test(first) ? Number(first) : -1;
    const row = store.get<{ id: number }>('SELECT id FROM relation WHERE id = ?', id);
    if (row !== undefined) return row.id;
    throw refusal('not-found', `relation ${first} not found`);
  }
  const rows = store.all<{ id: number }>(
    `SELECT DISTINCT a.relation_id AS id FROM relation_endpoint a
     JOIN relation_endpoint b ON b.relation_id = a.relation_id AND b.application <> a.application
     WHERE a.application = ?1 AND (?2 = '' OR a.endpoint = ?2)
       AND b.application = ?3 AND (?4 = '' OR b.endpoint = ?4)`,
    ...split(store, first),
    ...split(store, second),
  );
  const [only, ...others] = rows;
  if (only === undefined) throw refusal('not-found', `relation "${first} ${second}" not found`);
  if (others.length === 0) return only.id;
  throw refusal(
    'relation-ambiguous',
    `ambiguous relation: "${first} ${second}" matches ${rows.length} relations`,
    'name the endpoints, or give the id that `pgcharm show-unit` shows',
  );
}

function split(store: Store, text: string): [application: string, endpoint: string] {
  const [application = '', endpoint = ''] = text.split(':');
  applicationNamed(store, application);
  return [application, endpoint];
}

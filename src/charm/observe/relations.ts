/** Every relation but the peer relation: databags of both sides, and the secrets made for them. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { readLdapData } from '../../../lib/relations/ldap.ts';
import { tlsSecretLabel, userSecretLabel } from '../../../lib/relations/postgresql-client.ts';
import type { Databag, OwnedSecret, Relation, Snapshot } from '../model/snapshot.ts';

/** Endpoints of metadata.yaml, the peer relation excepted. */
const ENDPOINTS = [
  'database',
  'cos-agent',
  's3-parameters',
  'client-certificates',
  'peer-certificates',
  'receive-ca-cert',
  'tracing',
  'ldap',
] as const;

export async function observeRelations(hooks: Hooks, context: HookContext): Promise<Relation[]> {
  const perEndpoint = await Promise.all(
    ENDPOINTS.map(async (endpoint) => {
      const ids = await hooks.relationIds(endpoint);
      return Promise.all(ids.map((id) => observeRelation(hooks, context, { endpoint, id })));
    }),
  );
  return perEndpoint.flat();
}

async function observeRelation(
  hooks: Hooks,
  context: HookContext,
  { endpoint, id }: { endpoint: string; id: number },
): Promise<Relation> {
  const event = context.relation?.endpoint === endpoint && context.relation.id === id;
  const [isLeader, found, names] = await Promise.all([
    hooks.isLeader(),
    hooks.relationApp(endpoint, id),
    hooks.relationList(endpoint, id),
  ]);
  const app = found ?? (event ? context.relation?.remoteApp : undefined) ?? '';
  const [localApp, localUnit, remoteApp, units] = await Promise.all([
    isLeader ? hooks.relationGet(endpoint, id, context.app, 'app') : {},
    hooks.relationGet(endpoint, id, context.unit),
    app === '' ? {} : hooks.relationGet(endpoint, id, app, 'app'),
    Promise.all(
      names.map(async (name) => ({ name, data: await hooks.relationGet(endpoint, id, name) })),
    ),
  ]);
  const ending = event && context.name.endsWith('-relation-broken');
  return { endpoint, id, app, ending, localApp, localUnit, remoteApp, units };
}

/** Content of the secrets that providers have granted to this application, by their URI. */
export async function observeGrantedSecrets(
  hooks: Hooks,
  relations: readonly Relation[],
): Promise<Snapshot['grantedSecrets']> {
  const uris = relations.flatMap(({ endpoint, ending, remoteApp }) => {
    const reading = endpoint === 'ldap' && !ending ? readLdapData(remoteApp) : undefined;
    return reading?.state === 'complete' ? [reading.value.passwordSecret] : [];
  });
  const found = await Promise.all(
    // The newest revision, and with it the wish to hear of the next one.
    uris.map(async (uri) => [uri, await hooks.secretGet({ id: uri }, 'refresh')] as const),
  );
  return Object.fromEntries(
    found.filter((each): each is [string, Databag] => each[1] !== undefined),
  );
}

/**
 * Secrets that the application owns for its clients, by label. Leader only: others may not read.
 */
export async function observeRelationSecrets(
  hooks: Hooks,
  relations: readonly Relation[],
): Promise<Record<string, OwnedSecret>> {
  const labels = relations
    .filter((relation) => relation.endpoint === 'database')
    .flatMap(({ id }) => [userSecretLabel(id), tlsSecretLabel(id)]);
  const found = await Promise.all(
    labels.map(async (label) => {
      const [info, content] = await Promise.all([
        hooks.secretInfo({ label }),
        hooks.secretGet({ label }, 'peek'),
      ]);
      const owned = info && content && { id: info.id, content };
      return [label, owned] as const;
    }),
  );
  return Object.fromEntries(
    found.filter((each): each is [string, { id: string; content: Record<string, string> }] =>
      Boolean(each[1]),
    ),
  );
}

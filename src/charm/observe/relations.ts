/** Every relation but the peer relation: databags of both sides, and the secrets made for them. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { readLdapData } from '../../../lib/relations/ldap.ts';
import {
  SECRET_GROUPS,
  type SecretGroup,
  saidIds,
  secretGroup,
  secretLabel,
} from '../../../lib/relations/postgresql-client.ts';
import { CLIENT_ENDPOINT, requestsOf } from '../model/clients.ts';
import type { Databag, OwnedSecret, Relation, Snapshot } from '../model/snapshot.ts';
import { WITNESS_ENDPOINT, witnessSecret } from '../model/witness.ts';

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
  WITNESS_ENDPOINT,
] as const;

export async function observeRelations(
  hooks: Hooks,
  context: HookContext,
  leading: Promise<boolean>,
): Promise<Relation[]> {
  const perEndpoint = await Promise.all(
    ENDPOINTS.map(async (endpoint) => {
      const ids = await hooks.relationIds(endpoint);
      return Promise.all(
        ids.map((id) => observeRelation(hooks, context, { endpoint, id, leading })),
      );
    }),
  );
  return perEndpoint.flat();
}

async function observeRelation(
  hooks: Hooks,
  context: HookContext,
  { endpoint, id, leading }: { endpoint: string; id: number; leading: Promise<boolean> },
): Promise<Relation> {
  const event = context.relation?.endpoint === endpoint && context.relation.id === id;
  const [isLeader, names] = await Promise.all([leading, hooks.relationList(endpoint, id)]);
  const [unit] = names;
  // A unit names its application; only one without units has to be asked for.
  const found =
    unit === undefined ? await hooks.relationApp(endpoint, id) : unit.slice(0, unit.indexOf('/'));
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

/** Content of the secrets that others have granted to this application, by their URI. */
export async function observeGrantedSecrets(
  hooks: Hooks,
  relations: readonly Relation[],
  isLeader: boolean,
): Promise<Snapshot['grantedSecrets']> {
  const uris = relations
    .filter(({ ending }) => !ending)
    .flatMap((relation) => [
      ...directorySecret(relation),
      // Whoever serves the client publishes what is in it.
      ...(isLeader && isClient(relation) ? clientSecrets(relation) : []),
    ]);
  const found = await Promise.all(
    // The newest revision, and with it the wish to hear of the next one.
    uris.map(async (uri) => [uri, await hooks.secretGet({ id: uri }, 'refresh')] as const),
  );
  return Object.fromEntries(
    found.filter((each): each is [string, Databag] => each[1] !== undefined),
  );
}

function directorySecret({ endpoint, remoteApp }: Relation): string[] {
  const reading = endpoint === 'ldap' ? readLdapData(remoteApp) : undefined;
  return reading?.state === 'complete' ? [reading.value.passwordSecret] : [];
}

/** The secrets in which clients name their users and hold the certificates that they offer. */
function clientSecrets(relation: Relation): string[] {
  const asked = requestsOf(relation).granted.flatMap(({ request }) => {
    const { entitySecret, certificate } = request;
    return [entitySecret, certificate && 'secret' in certificate ? certificate.secret : undefined];
  });
  return asked.filter((uri) => uri !== undefined);
}

/**
 * Secrets that the application owns for its relations, by label. Leader only: others may not read.
 */
export async function observeRelationSecrets(
  hooks: Hooks,
  relations: readonly Relation[],
): Promise<Record<string, OwnedSecret>> {
  const witnessed = relations.filter(({ endpoint }) => endpoint === WITNESS_ENDPOINT);
  const labels = [
    ...relations.filter(isClient).flatMap(secretLabels),
    ...witnessed.map(({ id }) => witnessSecret(id)),
  ];
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

function isClient({ endpoint }: Relation): boolean {
  return endpoint === CLIENT_ENDPOINT;
}

/** Of what is asked for, and of what has been answered and may not be asked for any more. */
function secretLabels(relation: Relation): string[] {
  const { protocol, granted, refused, silent } = requestsOf(relation);
  const ids = [
    ...granted.map(({ request }) => request.id),
    ...refused.map(({ id }) => id),
    ...saidIds(relation.localApp),
  ];
  // What a v0 databag has been told does not say for which version.
  const plain = protocol === 'v0' || silent || relation.localApp['secret-user'] !== undefined;
  const asked = relation.ending ? [] : granted.map(({ request }) => request);
  const others = new Set([...(plain ? [undefined] : []), ...ids]);
  for (const { id } of asked) others.delete(id);
  return [
    // Every look is two questions to the controller: what a request cannot have is not looked for.
    ...asked.flatMap((request) => labels(relation, request.id, [secretGroup(request), 'tls'])),
    ...[...others].flatMap((id) => labels(relation, id, SECRET_GROUPS)),
  ];
}

function labels({ id }: Relation, request: string | undefined, groups: readonly SecretGroup[]) {
  return groups.map((group) => secretLabel(id, request, group));
}

/** Reads the options, the relation and the secrets that came over it. Changes nothing. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { saidIds } from '../../../lib/relations/postgresql-client.ts';
import { namedSecrets } from './request.ts';
import { certificateLabel, nameLabel, type Options, type Relation, type World } from './world.ts';

export interface Tools {
  readonly hooks: Hooks;
  readonly context: HookContext;
}

export const ENDPOINT = 'postgresql';

export async function observe(tools: Tools): Promise<World> {
  const { hooks } = tools;
  const isLeader = await hooks.isLeader();
  const config = await hooks.configGet();
  const ids = await hooks.relationIds(ENDPOINT);
  return {
    isLeader,
    options: optionsOf(config),
    relations: await Promise.all(ids.map((id) => relationOf(id, isLeader, tools))),
  };
}

function optionsOf(config: Record<string, string | number | boolean>): Options {
  const text = (option: string) => String(config[option] ?? '').trim();
  const protocol = text('protocol') || 'v0';
  return {
    databaseName: text('database-name'),
    extraUserRoles: text('extra-user-roles'),
    entityType: text('entity-type'),
    extraGroupRoles: text('extra-group-roles'),
    entityName: text('requested-entity-name'),
    certificate: text('mtls-cert'),
    external: config['external-node-connectivity'] === true,
    protocol: protocol === 'v0' || protocol === 'v1' ? protocol : undefined,
  };
}

async function relationOf(
  id: number,
  isLeader: boolean,
  { hooks, context }: Tools,
): Promise<Relation> {
  const ending = context.name === `${ENDPOINT}-relation-broken` && context.relation?.id === id;
  const app = (await hooks.relationApp(ENDPOINT, id)) ?? '';
  const remoteApp = ending || app === '' ? {} : await hooks.relationGet(ENDPOINT, id, app, 'app');
  const uris = namedSecrets(remoteApp, saidIds(remoteApp));
  const secret = async (uri: string | undefined) =>
    // The newest revision, and with it the wish to hear of the next one.
    uri === undefined ? undefined : hooks.secretGet({ id: uri }, 'refresh');
  return {
    id,
    app,
    ending,
    // Only the leader may read its own application's side.
    localApp: isLeader ? await hooks.relationGet(ENDPOINT, id, context.app, 'app') : {},
    remoteApp,
    user: await secret(uris.user),
    tls: await secret(uris.tls),
    entity: await secret(uris.entity),
    named: isLeader ? await nameOf(id, hooks) : undefined,
    offered: isLeader ? await offeredOf(id, hooks) : undefined,
  };
}

async function nameOf(id: number, hooks: Hooks): Promise<Relation['named']> {
  const owned = await ownSecret(nameLabel(id), hooks);
  return owned && { uri: owned.uri, name: owned.content['entity-name'] ?? '' };
}

async function offeredOf(id: number, hooks: Hooks): Promise<Relation['offered']> {
  const owned = await ownSecret(certificateLabel(id), hooks);
  return owned && { uri: owned.uri, pem: owned.content['mtls-cert'] ?? '' };
}

async function ownSecret(label: string, hooks: Hooks) {
  const info = await hooks.secretInfo({ label });
  if (info === undefined) return undefined;
  const content = (await hooks.secretGet({ label }, 'peek')) ?? {};
  return { uri: info.id.startsWith('secret:') ? info.id : `secret:${info.id}`, content };
}

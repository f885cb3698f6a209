/** Reads the options, the relation and the secrets that came over it. Changes nothing. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import type { Relation, World } from './world.ts';

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
    databaseName: config['database-name'] === undefined ? undefined : `${config['database-name']}`,
    extraUserRoles: String(config['extra-user-roles'] ?? ''),
    relations: await Promise.all(ids.map((id) => relationOf(id, isLeader, tools))),
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
  const secret = async (key: string) => {
    const uri = remoteApp[key];
    // The newest revision, and with it the wish to hear of the next one.
    return uri === undefined ? undefined : hooks.secretGet({ id: uri }, 'refresh');
  };
  return {
    id,
    app,
    ending,
    // Only the leader may read its own application's side.
    localApp: isLeader ? await hooks.relationGet(ENDPOINT, id, context.app, 'app') : {},
    remoteApp,
    user: await secret('secret-user'),
    tls: await secret('secret-tls'),
  };
}

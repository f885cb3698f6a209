/** Reads what this charm decides by: options, the root in its secret, databags. Changes nothing. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import type { Databag } from '../../../lib/relations/databag.ts';
import {
  type Authority,
  ENDPOINT,
  FIELDS,
  type Requirer,
  TRANSFER_ENDPOINT,
  type Trusting,
  type World,
} from './world.ts';

export interface Tools {
  readonly hooks: Hooks;
  readonly context: HookContext;
}

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context } = tools;
  const [isLeader, config, content] = await Promise.all([
    hooks.isLeader(),
    hooks.configGet(),
    hooks.secretGet({ label: secretLabel(context.app) }, 'peek'),
  ]);
  const requirers = (await hooks.relationIds(ENDPOINT)).map((id) => requirer(id, tools, isLeader));
  const trusting = (await hooks.relationIds(TRANSFER_ENDPOINT)).map((id) =>
    trustingOf(id, tools, isLeader),
  );
  return {
    isLeader,
    config: {
      certificateValidity: String(config['certificate-validity']),
      authorityValidity: String(config['authority-validity']),
    },
    authority: authorityOf(content),
    requirers: await Promise.all(requirers),
    trusting: await Promise.all(trusting),
  };
}

export function secretLabel(app: string): string {
  return `${app}.root`;
}

/** What of the secret is no secret. */
export function authorityOf(content: Databag | undefined): Authority | undefined {
  const certificate = content?.[FIELDS.certificate];
  if (certificate === undefined) return undefined;
  return { certificate, previous: content?.[FIELDS.previous], cross: content?.[FIELDS.cross] };
}

export async function requirer(id: number, tools: Tools, isLeader: boolean): Promise<Requirer> {
  const { hooks, context } = tools;
  const names = await hooks.relationList(ENDPOINT, id);
  const [app, localApp, units] = await Promise.all([
    hooks.relationApp(ENDPOINT, id),
    // Only the leader may read its own application's side.
    isLeader ? hooks.relationGet(ENDPOINT, id, context.app, 'app') : {},
    Promise.all(
      names.map(async (name) => ({ name, data: await hooks.relationGet(ENDPOINT, id, name) })),
    ),
  ]);
  return { id, app: app ?? '', ending: isEnding(ENDPOINT, id, tools), localApp, units };
}

async function trustingOf(id: number, tools: Tools, isLeader: boolean): Promise<Trusting> {
  const { hooks, context } = tools;
  const [app, localApp, localUnit] = await Promise.all([
    hooks.relationApp(TRANSFER_ENDPOINT, id),
    isLeader ? hooks.relationGet(TRANSFER_ENDPOINT, id, context.app, 'app') : {},
    hooks.relationGet(TRANSFER_ENDPOINT, id, context.unit),
  ]);
  return {
    id,
    app: app ?? '',
    ending: isEnding(TRANSFER_ENDPOINT, id, tools),
    localApp,
    localUnit,
  };
}

function isEnding(endpoint: string, id: number, { context }: Tools): boolean {
  return context.name === `${endpoint}-relation-broken` && context.relation?.id === id;
}

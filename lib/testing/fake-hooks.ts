/**
 * The hook tools over plain data, for tests of whole charms: what a hook writes is kept when it
 * succeeds and forgotten when it fails. One unit's view; rights are not checked.
 */
import { type HookContext, parseHookContext } from '../contract/context.ts';
import type { Databag, Hooks, NetworkInfo } from '../hooks/hooks.ts';

export interface FakeRelation {
  endpoint: string;
  id: number;
  app: string;
  /** Databags by unit or application name, this side's too. */
  bags: Record<string, Databag>;
}

export interface FakeSecret {
  content: Record<string, string>;
  label?: string;
  grants: number[];
}

/** What the controller keeps; tests read and change it between events. */
export interface FakeState {
  unit: string;
  leader: boolean;
  config: Record<string, string | number | boolean>;
  relations: FakeRelation[];
  /** By id, without scheme. */
  secrets: Record<string, FakeSecret>;
  network: NetworkInfo;
  /** Locations by instance, `data/0`. */
  storages: Record<string, string>;
  ports: string[];
  status: { status: string; message: string };
  version: string;
  log: string[];
  planned: Record<string, string>;
  action: { params: Record<string, unknown>; results: Record<string, string>; failed?: string };
}

export function fakeState(change: Partial<FakeState> & { unit: string }): FakeState {
  const address = '127.9.9.9';
  return {
    leader: true,
    config: {},
    relations: [],
    secrets: {},
    network: {
      bindAddresses: [
        { interfaceName: 'lo', addresses: [{ value: address, cidr: '127.0.0.0/8' }] },
      ],
      ingressAddresses: [address],
      egressSubnets: ['127.0.0.1/32'],
    },
    storages: {},
    ports: [],
    status: { status: 'unknown', message: '' },
    version: '',
    log: [],
    planned: { [change.unit]: 'active' },
    action: { params: {}, results: {} },
    ...change,
  };
}

export interface FakeEvent {
  /** `config-changed`, `database-relation-broken`, or the name of an action. */
  name: string;
  action?: true;
  charmDir?: string;
  relation?: { endpoint: string; id: number; remoteUnit?: string };
  storage?: string;
}

/** Runs `event` with hook tools over `state`; keeps the writes unless it throws. */
export async function fakeEvent(
  state: FakeState,
  event: FakeEvent,
  run: (base: { hooks: Hooks; context: HookContext }) => Promise<void>,
): Promise<void> {
  const pending = structuredClone(state);
  pending.action = { params: state.action.params, results: {} };
  await run({ hooks: fakeHooks(pending), context: contextOf(state, event) });
  Object.assign(state, pending);
}

function contextOf({ unit }: FakeState, event: FakeEvent): HookContext {
  const { relation, storage } = event;
  return parseHookContext({
    JUJU_UNIT_NAME: unit,
    JUJU_DISPATCH_PATH: `${event.action ? 'actions' : 'hooks'}/${event.name}`,
    JUJU_MODEL_NAME: 'main',
    JUJU_MODEL_UUID: '5f1a3c1e-0000-4000-8000-000000000001',
    JUJU_CHARM_DIR: event.charmDir ?? '/nonexistent/charm',
    ...(event.action ? { JUJU_ACTION_NAME: event.name, JUJU_ACTION_UUID: '1' } : {}),
    ...(relation === undefined
      ? {}
      : {
          JUJU_RELATION: relation.endpoint,
          JUJU_RELATION_ID: `${relation.endpoint}:${relation.id}`,
          JUJU_REMOTE_UNIT: relation.remoteUnit ?? '',
        }),
    ...(storage === undefined ? {} : { JUJU_STORAGE_ID: storage }),
  });
}

function fakeHooks(state: FakeState): Hooks {
  return { ...general(state), ...relationTools(state), ...secretTools(state), ...actions(state) };
}

type RelationTools =
  | 'relationIds'
  | 'relationList'
  | 'relationApp'
  | 'relationGet'
  | 'relationSet'
  | 'networkGet';
type SecretTools = Extract<keyof Hooks, `secret${string}`>;
type ActionTools = Extract<keyof Hooks, `action${string}`>;

function general(state: FakeState): Omit<Hooks, RelationTools | SecretTools | ActionTools> {
  const unitState: Record<string, string> = {};
  return {
    isLeader: async () => state.leader,
    configGet: async () => state.config,
    async openPort(port) {
      state.ports = [...new Set([...state.ports, `${port}/tcp`])];
    },
    async closePort(port) {
      state.ports = state.ports.filter((open) => open !== `${port}/tcp`);
    },
    openedPorts: async () => state.ports,
    statusGet: async () => state.status,
    async statusSet(status, message) {
      state.status = { status, message };
    },
    async applicationVersionSet(version) {
      state.version = version;
    },
    async log(level, message) {
      state.log.push(`${level} ${message}`);
    },
    goalUnits: async () => state.planned,
    storageList: async (name) =>
      Object.keys(state.storages).filter((id) => name === undefined || id.startsWith(`${name}/`)),
    storageLocation: async (id) => state.storages[id] ?? '',
    stateGet: async () => unitState,
    async stateSet(values) {
      Object.assign(unitState, values);
    },
    close: async () => undefined,
  };
}

function relationTools(state: FakeState): Pick<Hooks, RelationTools> {
  const find = (id: number) => state.relations.find((relation) => relation.id === id);
  return {
    relationIds: async (endpoint) =>
      state.relations.filter((it) => it.endpoint === endpoint).map((it) => it.id),
    relationList: async (_endpoint, id) =>
      Object.keys(find(id)?.bags ?? {}).filter((name) => name.startsWith(`${find(id)?.app}/`)),
    relationApp: async (_endpoint, id) => find(id)?.app,
    relationGet: async (_endpoint, id, who) => find(id)?.bags[who] ?? {},
    async relationSet(_endpoint, id, data, app) {
      const relation = find(id);
      if (relation === undefined) throw new Error('relation not found');
      const who = app === 'app' ? (state.unit.split('/')[0] ?? '') : state.unit;
      const merged = Object.entries({ ...relation.bags[who], ...data });
      relation.bags[who] = Object.fromEntries(
        merged.filter((entry): entry is [string, string] => Boolean(entry[1])),
      );
    },
    networkGet: async () => state.network,
  };
}

function secretTools(state: FakeState): Pick<Hooks, SecretTools> {
  const bare = (id: string) => id.replace(/^secret:/, '');
  const byLabel = (label: string) =>
    Object.keys(state.secrets).find((id) => state.secrets[id]?.label === label);
  const idOf = (secret: { id: string } | { label: string }) =>
    'id' in secret ? bare(secret.id) : byLabel(secret.label);
  const must = (id: string): FakeSecret => {
    const secret = state.secrets[bare(id)];
    if (secret === undefined) throw new Error(`secret "${bare(id)}" not found`);
    return secret;
  };
  return {
    secretGet: async (secret) => state.secrets[idOf(secret) ?? '']?.content,
    async secretInfo(secret) {
      const id = idOf(secret);
      const label = state.secrets[id ?? '']?.label;
      if (id === undefined || state.secrets[id] === undefined) return undefined;
      return { id, revision: 1, label, owner: 'application', rotation: 'never' };
    },
    async secretAdd(content, options) {
      const id = `made${Object.keys(state.secrets).length}`;
      const label = options?.label;
      state.secrets[id] = { content, grants: [], ...(label === undefined ? {} : { label }) };
      return `secret:${id}`;
    },
    async secretSet(id, content) {
      must(id).content = content;
    },
    async secretGrant(id, relation) {
      must(id).grants.push(relation.id);
    },
    async secretRevoke(id, relation) {
      must(id).grants = must(id).grants.filter((granted) => granted !== relation.id);
    },
    async secretRemove(id) {
      delete state.secrets[bare(id)];
    },
    secretIds: async () => Object.keys(state.secrets),
  };
}

function actions(state: FakeState): Pick<Hooks, ActionTools> {
  return {
    actionGet: async () => state.action.params,
    async actionSet(results) {
      Object.assign(state.action.results, results);
    },
    async actionFail(message) {
      state.action.failed = message;
    },
    async actionLog(message) {
      state.log.push(message);
    },
  };
}

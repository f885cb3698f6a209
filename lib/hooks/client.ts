/**
 * The Hooks port over a transport: builds the words of each tool from its description and reads
 * its JSON. Decides which failures mean "none"; every other one is thrown.
 */

import { parsePortRange } from '../contract/ports.ts';
import { buildWords, type ToolCalls, type ToolName } from '../contract/tools/catalogue.ts';
import { OperatorError } from '../std/errors.ts';
import { traced } from '../std/trace.ts';
import type { Databag, Hooks, NetworkInfo, SecretInfo, SecretOptions } from './hooks.ts';
import type { ToolAnswer, Transport } from './transport.ts';

/** Below MAX_ARG_STRLEN (128 KiB), which bounds one word of a command line, in any encoding. */
const MAX_LOG_CHARACTERS = 30_000;

export function hooksOver(transport: Transport): Hooks {
  const tools = new Tools(transport);
  return {
    ...relationHooks(tools),
    ...unitHooks(tools),
    ...secretHooks(tools),
    ...actionHooks(tools),
    close: () => transport.close(),
  };
}

class Tools {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** @throws OperatorError `hook-tool-failed` */
  async run<Name extends ToolName>(
    tool: Name,
    call: ToolCalls[Name],
    stdin?: string,
  ): Promise<string> {
    return this.words(tool, buildWords(tool, call), stdin);
  }

  async words(tool: string, words: readonly string[], stdin?: string): Promise<string> {
    // Its words stay out of the trace: content of databags and secrets is among them.
    return traced(tool, {}, async () => {
      const answer = await this.transport.call(tool, words, stdin);
      if (answer.code === 0) return answer.stdout;
      throw toolFailed(tool, answer);
    });
  }

  /** The JSON that a tool prints. */
  async json<T, Name extends ToolName = ToolName>(tool: Name, call: ToolCalls[Name]): Promise<T> {
    const words = ['--format', 'json', ...buildWords(tool, call)];
    return JSON.parse(await this.words(tool, words)) as T;
  }

  /** The same, or undefined when the tool refuses in words that match. */
  async jsonUnless<T, Name extends ToolName = ToolName>(
    none: RegExp,
    tool: Name,
    call: ToolCalls[Name],
  ): Promise<T | undefined> {
    const words = ['--format', 'json', ...buildWords(tool, call)];
    return traced(tool, {}, async () => {
      const answer = await this.transport.call(tool, words);
      if (answer.code === 0) return JSON.parse(answer.stdout) as T;
      if (none.test(answer.stderr)) return undefined;
      throw toolFailed(tool, answer);
    });
  }
}

function toolFailed(tool: string, { code, stderr }: ToolAnswer): OperatorError {
  const why = stderr.trim().replace(/^ERROR /, '') || `exit code ${code}`;
  return new OperatorError({
    code: 'hook-tool-failed',
    message: `cannot carry out ${tool}: ${why}`,
  });
}

const idOf = (endpoint: string, id: number) => `${endpoint}:${id}`;
const RELATION_GONE = /relation not found/i;
const UNREADABLE = /not found|permission denied/i;

type RelationHooks = Pick<
  Hooks,
  'relationIds' | 'relationList' | 'relationApp' | 'relationGet' | 'relationSet' | 'networkGet'
>;

function relationHooks(tools: Tools): RelationHooks {
  return {
    async relationIds(endpoint) {
      const ids = await tools.json<string[]>('relation-ids', { endpoint });
      return ids.map((id) => Number(id.slice(id.lastIndexOf(':') + 1))).sort((a, b) => a - b);
    },
    async relationList(endpoint, id) {
      const call = { relation: idOf(endpoint, id), app: false };
      const units = await tools.jsonUnless<string[]>(RELATION_GONE, 'relation-list', call);
      return (units ?? []).sort(byUnitNumber);
    },
    async relationApp(endpoint, id) {
      const call = { relation: idOf(endpoint, id), app: true };
      return (await tools.jsonUnless<string>(RELATION_GONE, 'relation-list', call)) || undefined;
    },
    async relationGet(endpoint, id, who, app) {
      const call = { relation: idOf(endpoint, id), app: app === 'app', who };
      return (await tools.jsonUnless<Databag>(UNREADABLE, 'relation-get', call)) ?? {};
    },
    async relationSet(endpoint, id, data, app) {
      const call = { relation: idOf(endpoint, id), app: app === 'app', file: '-', settings: {} };
      const values = Object.entries(data).map(([key, value]) => [key, value ?? '']);
      await tools.run('relation-set', call, JSON.stringify(Object.fromEntries(values)));
    },
    async networkGet(binding, relation) {
      const choice =
        relation === undefined ? {} : { relation: idOf(relation.endpoint, relation.id) };
      const call = { binding, only: [], ...choice };
      return networkInfo(await tools.json<NetworkJson>('network-get', call));
    },
  };
}

interface NetworkJson {
  'bind-addresses'?: {
    'interface-name'?: string;
    addresses?: { value?: string; cidr?: string }[];
  }[];
  'ingress-addresses'?: string[];
  'egress-subnets'?: string[];
}

function networkInfo(json: NetworkJson): NetworkInfo {
  return {
    bindAddresses: (json['bind-addresses'] ?? []).map((device) => ({
      interfaceName: device['interface-name'] ?? '',
      addresses: (device.addresses ?? []).map(({ value = '', cidr = '' }) => ({ value, cidr })),
    })),
    ingressAddresses: json['ingress-addresses'] ?? [],
    egressSubnets: json['egress-subnets'] ?? [],
  };
}

/** `app/10` after `app/9`. */
function byUnitNumber(a: string, b: string): number {
  const number = (unit: string) => Number(unit.slice(unit.lastIndexOf('/') + 1));
  return number(a) - number(b) || (a < b ? -1 : 1);
}

type UnitHooks = Pick<
  Hooks,
  | 'isLeader'
  | 'configGet'
  | 'openPort'
  | 'closePort'
  | 'openedPorts'
  | 'statusGet'
  | 'statusSet'
  | 'applicationVersionSet'
  | 'log'
  | 'goalUnits'
  | 'storageList'
  | 'storageLocation'
  | 'stateGet'
  | 'stateSet'
>;

function unitHooks(tools: Tools): UnitHooks {
  return {
    isLeader: () => tools.json('is-leader', {}),
    configGet: () => tools.json('config-get', { all: false }),
    async openPort(port) {
      await tools.run('open-port', { port: parsePortRange(String(port)), endpoints: [] });
    },
    async closePort(port) {
      await tools.run('close-port', { port: parsePortRange(String(port)), endpoints: [] });
    },
    openedPorts: () => tools.json('opened-ports', { endpoints: false }),
    async statusGet() {
      const call = { includeData: true, application: false };
      const { status, message } = await tools.json<{ status: string; message: string }>(
        'status-get',
        call,
      );
      return { status, message };
    },
    async statusSet(status, message) {
      await tools.run('status-set', { application: false, status, message });
    },
    async applicationVersionSet(version) {
      await tools.run('application-version-set', { version });
    },
    async log(level, message) {
      for (let at = 0; at === 0 || at < message.length; at += MAX_LOG_CHARACTERS) {
        const part = message.slice(at, at + MAX_LOG_CHARACTERS);
        await tools.run('juju-log', { level, message: part });
      }
    },
    async goalUnits() {
      const { units } = await tools.json<{ units?: Record<string, { status: string }> }>(
        'goal-state',
        {},
      );
      return Object.fromEntries(
        Object.entries(units ?? {}).map(([unit, { status }]) => [unit, status]),
      );
    },
    storageList: (name) => tools.json('storage-list', name === undefined ? {} : { name }),
    storageLocation: (storage) => tools.json('storage-get', { storage, key: 'location' }),
    stateGet: () => tools.json('state-get', { strict: false }),
    async stateSet(values) {
      const kept = Object.entries(values).filter(([, value]) => value !== undefined);
      if (kept.length > 0) {
        const stdin = JSON.stringify(Object.fromEntries(kept));
        await tools.run('state-set', { file: '-', values: {} }, stdin);
      }
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) await tools.run('state-delete', { key });
      }
    },
  };
}

type SecretHooks = Pick<
  Hooks,
  | 'secretGet'
  | 'secretInfo'
  | 'secretAdd'
  | 'secretSet'
  | 'secretGrant'
  | 'secretRevoke'
  | 'secretRemove'
  | 'secretIds'
>;

type InfoJson = Record<
  string,
  { revision: number; label?: string; owner: string; rotation?: string }
>;

function secretHooks(tools: Tools): SecretHooks {
  return {
    secretGet: (secret, mode) =>
      tools.jsonUnless(UNREADABLE, 'secret-get', {
        ...secret,
        ...(mode === undefined ? {} : { mode }),
      }),
    async secretInfo(secret) {
      const json = await tools.jsonUnless<InfoJson>(UNREADABLE, 'secret-info-get', secret);
      return infoOf(json);
    },
    secretAdd: (content, options) =>
      tools.transport.withSecret(content, async (words, stdin) => {
        const call = { ...changeOf(options), content: words };
        return (await tools.run('secret-add', call, stdin)).trim();
      }),
    secretSet: (id, content, options) =>
      tools.transport.withSecret(content, async (words, stdin) => {
        await tools.run('secret-set', { ...changeOf(options), id, content: words }, stdin);
      }),
    async secretGrant(id, { endpoint, id: relation }) {
      await tools.run('secret-grant', { id, relation: idOf(endpoint, relation) });
    },
    async secretRevoke(id, { endpoint, id: relation }) {
      await tools.run('secret-revoke', { id, relation: idOf(endpoint, relation) });
    },
    async secretRemove(id, revision) {
      await tools.run('secret-remove', { id, ...(revision === undefined ? {} : { revision }) });
    },
    async secretIds() {
      return (await tools.json<string[] | null>('secret-ids', {})) ?? [];
    },
  };
}

function infoOf(json: InfoJson | undefined): SecretInfo | undefined {
  const [entry] = Object.entries(json ?? {});
  if (entry === undefined) return undefined;
  const [id, { revision, label, owner, rotation = 'never' }] = entry;
  return { id: `secret:${id}`, revision, label: label || undefined, owner, rotation };
}

function changeOf(options: SecretOptions = {}) {
  return { ...options, owner: options.owner ?? ('application' as const) };
}

type ActionHooks = Pick<Hooks, 'actionGet' | 'actionSet' | 'actionFail' | 'actionLog'>;

function actionHooks(tools: Tools): ActionHooks {
  return {
    actionGet: () => tools.json('action-get', { path: [] }),
    async actionSet(results) {
      const values = Object.entries(results).map(([key, value]) => ({
        path: key.split('.'),
        value,
      }));
      if (values.length > 0) await tools.run('action-set', { values });
    },
    async actionFail(message) {
      await tools.run('action-fail', { message });
    },
    async actionLog(message) {
      await tools.run('action-log', { message });
    },
  };
}

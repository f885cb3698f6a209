/** Verb -> what it takes, checked at this boundary, and what answers it. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Told, Verb, Verbs } from '../api.ts';
import { changeAddress } from '../operations/addresses.ts';
import { removeApplications, setExposed, setTrust } from '../operations/applications.ts';
import { bundleFile, deployBundle } from '../operations/bundle.ts';
import { setConfig } from '../operations/config.ts';
import { deployCharm } from '../operations/deploy.ts';
import { cutLinks, mendLinks } from '../operations/links.ts';
import { applicationNamed, type Model, refusal, unitNamed } from '../operations/model.ts';
import { setModelConfig } from '../operations/model-config.ts';
import { pruneCharms } from '../operations/prune.ts';
import { refresh } from '../operations/refresh.ts';
import { integrate, removeRelation } from '../operations/relations.ts';
import { markResolved } from '../operations/resolved.ts';
import { attachStorage } from '../operations/storage.ts';
import { execCommand, runAction, taskNumber } from '../operations/tasks.ts';
import { addUnit, removeUnits } from '../operations/units.ts';
import { addSecret, removeSecret, setAccess, updateSecret } from '../operations/user-secrets.ts';
import { configDocument } from '../views/config.ts';
import { logLines, statusLog } from '../views/log.ts';
import { modelConfigDocument, modelDocument } from '../views/model.ts';
import { machineProcesses } from '../views/processes.ts';
import { secretDocument, secretsDocument } from '../views/secrets.ts';
import { statusAnswer } from '../views/status.ts';
import { storageDocument } from '../views/storage.ts';
import { operationList, operationNamed, taskView } from '../views/tasks.ts';
import { statusTime } from '../views/times.ts';
import { applicationDetails, unitDetails } from '../views/units.ts';

/** What the verbs ask of the engine; everything else they do through the store. */
export interface EnginePort {
  powerOff(machineId: string): Promise<void>;
  powerOn(machineId: string): Promise<void>;
  /** @returns whether there was something to cancel */
  cancelTask(taskId: number): boolean;
  /** Words to put before a program so that it runs on the unit's machine. */
  entrance(unit: string, directory: string): Promise<readonly string[]>;
  /** @throws OperatorError when this host can have no netns machines */
  prepareNetworks(): Promise<void>;
  /** Resolves when addresses and cuts are as the store says. */
  refreshNetworks(): Promise<void>;
}

export interface Scene {
  readonly model: Model;
  readonly engine: EnginePort;
  readonly version: string;
}

/** A route as the server calls it: any verb's, by the verb's own schema. */
export interface Route {
  readonly schema: z.ZodType;
  /** A method, so that a route of one verb is assignable: `schema` has checked the request. */
  run(scene: Scene, request: unknown): unknown;
  /** The part of the answer that makes it another one. */
  identity?(answer: unknown): unknown;
}

/** As `T`, but an optional field may also be undefined: what a parsed request is. */
type Loose<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] };

interface TypedRoute<V extends Verb> {
  readonly schema: z.ZodType<Loose<Verbs[V]['request']>>;
  readonly run: (
    scene: Scene,
    request: Loose<Verbs[V]['request']>,
  ) => Verbs[V]['answer'] | Promise<Verbs[V]['answer']>;
  readonly identity?: (answer: Verbs[V]['answer']) => unknown;
}

const name = z.string().min(1).max(300);
const names = z.array(name).max(1000);
const text = z.string().max(1_000_000);
const texts = z.record(z.string().max(300), text);
const flag = z.boolean().optional();
const path = z.string().startsWith('/').max(4096);
const kind = z.enum(['loopback', 'netns']);
const nothing = z.object({});

export const routes: { [V in Verb]: TypedRoute<V> } = {
  version: {
    schema: nothing,
    run: ({ version }) => ({ version, controller: 'pgcharm' }),
  },
  status: {
    schema: z.object({ patterns: names.optional(), utc: flag }),
    run: ({ model }, { patterns = [], utc = false }) => statusAnswer(model, patterns, utc),
    // The timestamp moves though nothing happens.
    identity: ({ document, relations }) => ({ ...document, controller: null, relations }),
  },
  model: { schema: nothing, run: ({ model }) => modelDocument(model) },
  deploy: {
    schema: z.object({
      path,
      shown: z.string().max(4096),
      application: name.optional(),
      numUnits: z.number().int().min(0).max(100).optional(),
      config: texts.optional(),
      configYaml: z.string().max(5_000_000).optional(),
      storage: texts.optional(),
      attachStorage: names.optional(),
      base: name.optional(),
      trust: flag,
      constraints: texts.optional(),
      to: names.optional(),
      machine: kind.optional(),
    }),
    async run({ model, engine }, request) {
      if (request.machine === 'netns') await engine.prepareNetworks();
      const bundle = await bundleFile(request.path);
      const lines =
        bundle === undefined
          ? await deployCharm(model, request)
          : await deployBundle(model, bundle, request);
      await pruneCharms(model);
      return told(lines);
    },
  },
  'add-unit': {
    schema: z.object({
      application: name,
      numUnits: z.number().int().min(1).max(100).optional(),
      attachStorage: names.optional(),
      to: names.optional(),
      machine: kind.optional(),
    }),
    async run({ model, engine }, { application, numUnits: count = 1, ...request }) {
      const { attachStorage: attach, to, machine } = request;
      if (machine === 'netns') await engine.prepareNetworks();
      return told(addUnit(model, application, { count, attach, to, kind: machine }));
    },
  },
  'remove-unit': {
    schema: z.object({ units: names, destroyStorage: flag, force: flag, dryRun: flag }),
    run: ({ model }, { units, ...how }) => told(removeUnits(model, units, how)),
  },
  'remove-application': {
    schema: z.object({ applications: names, destroyStorage: flag, force: flag, dryRun: flag }),
    run: ({ model }, { applications, ...how }) =>
      told(removeApplications(model, applications, how)),
  },
  'attach-storage': {
    schema: z.object({ unit: name, storages: names }),
    run: ({ model }, { unit, storages }) => told(attachStorage(model, unit, storages)),
  },
  integrate: {
    schema: z.object({ first: name, second: name }),
    run: ({ model }, { first, second }) => told(integrate(model, first, second)),
  },
  'remove-relation': {
    schema: z.object({ endpoints: z.array(name).min(1).max(2), force: flag }),
    run: ({ model }, removal) => told(removeRelation(model, removal)),
  },
  config: {
    schema: z.object({ application: name }),
    run: ({ model }, { application }) => configDocument(model, application),
  },
  'set-config': {
    schema: z.object({
      application: name,
      set: texts.optional(),
      reset: names.optional(),
      yaml: z.string().max(5_000_000).optional(),
    }),
    run: ({ model }, { application, ...change }) => told(setConfig(model, application, change)),
  },
  'model-config': { schema: nothing, run: ({ model }) => modelConfigDocument(model) },
  'set-model-config': {
    schema: z.object({ set: texts.optional(), reset: names.optional() }),
    run: ({ model }, change) => told(setModelConfig(model, change)),
  },
  run: {
    schema: z.object({
      units: names,
      action: name,
      params: z.record(z.string(), z.unknown()).optional(),
    }),
    run: ({ model }, request) => runAction(model, request),
  },
  exec: {
    schema: z.object({
      units: names.optional(),
      applications: names.optional(),
      machines: names.optional(),
      all: flag,
      command: z.string().min(1).max(1_000_000),
    }),
    run: ({ model }, request) => execCommand(model, request),
  },
  actions: {
    schema: z.object({ application: name }),
    run: ({ model }, { application }) => actionsOf(model, application),
  },
  'show-task': {
    schema: z.object({ id: name }),
    run: ({ model }, { id }) => taskView(model, id),
  },
  'cancel-task': {
    schema: z.object({ ids: names }),
    run({ model, engine }, { ids }) {
      const tasks = ids.map((id) => taskNumber(model, id));
      for (const task of tasks) engine.cancelTask(task);
      return ids.map((id) => taskView(model, id));
    },
  },
  operations: {
    schema: z.object({ limit: z.number().int().min(1).max(10_000).optional() }),
    run: ({ model }, { limit = 50 }) => operationList(model, limit),
  },
  'show-operation': {
    schema: z.object({ id: name }),
    run: ({ model }, { id }) => operationNamed(model, id),
  },
  resolved: {
    schema: z.object({ units: names, all: flag, retry: flag }),
    run: ({ model }, request) => told(markResolved(model, request)),
  },
  refresh: {
    schema: z.object({
      application: name,
      path,
      shown: z.string().max(4096),
      config: texts.optional(),
      storage: texts.optional(),
      trust: flag,
      force: flag,
    }),
    async run({ model }, request) {
      const lines = await refresh(model, request);
      await pruneCharms(model);
      return told(lines);
    },
  },
  trust: {
    schema: z.object({ application: name, remove: flag }),
    run: ({ model }, { application, remove }) =>
      told(setTrust(model, application, remove !== true)),
  },
  expose: {
    schema: z.object({ application: name, remove: flag }),
    run: ({ model }, { application, remove }) =>
      told(setExposed(model, application, remove !== true)),
  },
  secrets: {
    schema: z.object({ owner: name.optional() }),
    run: ({ model }, { owner }) => secretsDocument(model, owner),
  },
  'show-secret': {
    schema: z.object({
      secret: name,
      reveal: flag,
      revision: z.number().int().min(1).optional(),
      revisions: flag,
    }),
    run: ({ model }, request) => secretDocument(model, request),
  },
  'add-secret': {
    schema: z.object({ name, info: text.optional(), content: texts }),
    run: ({ model }, request) => ({ uri: addSecret(model, request) }),
  },
  'update-secret': {
    schema: z.object({
      secret: name,
      name: name.optional(),
      info: text.optional(),
      content: texts.optional(),
    }),
    run: ({ model }, request) => told(updateSecret(model, request)),
  },
  'remove-secret': {
    schema: z.object({ secret: name, revision: z.number().int().min(1).optional() }),
    run: ({ model }, { secret, revision }) => told(removeSecret(model, secret, revision)),
  },
  'grant-secret': {
    schema: z.object({ secret: name, applications: names, revoke: flag }),
    run: ({ model }, request) => told(setAccess(model, request)),
  },
  'show-unit': {
    schema: z.object({ units: names }),
    run: ({ model }, { units }) => unitDetails(model, units),
  },
  'show-application': {
    schema: z.object({ applications: names }),
    run: ({ model }, { applications }) => applicationDetails(model, applications),
  },
  storage: {
    schema: nothing,
    run: ({ model }) => storageDocument(model.store, (ms) => statusTime(ms, false)),
  },
  log: {
    schema: z.object({
      after: z.number().int().min(0).optional(),
      limit: z.number().int().min(1).optional(),
      level: z.string().max(20).optional(),
      include: names.optional(),
      exclude: names.optional(),
      replay: flag,
    }),
    run: ({ model }, request) => logLines(model, request),
  },
  'status-log': {
    schema: z.object({ entity: name, limit: z.number().int().min(1).max(1000).optional() }),
    run: ({ model }, { entity, limit = 20 }) => statusLog(model, entity, limit),
  },
  power: {
    schema: z.object({ target: name, on: z.boolean() }),
    run: ({ model, engine }, { target, on }) => power(model, engine, target, on),
  },
  cut: {
    schema: z.object({
      target: name,
      from: names.optional(),
      direction: z.enum(['both', 'in', 'out']).optional(),
    }),
    async run({ model, engine }, request) {
      const lines = cutLinks(model, request);
      await engine.refreshNetworks();
      return told(lines);
    },
  },
  'change-address': {
    schema: z.object({ target: name, address: name.optional() }),
    async run({ model, engine }, { target, address }) {
      const lines = changeAddress(model, target, address);
      await engine.refreshNetworks();
      return told(lines);
    },
  },
  mend: {
    schema: z.object({ targets: names.optional() }),
    async run({ model, engine }, { targets }) {
      const lines = mendLinks(model, targets);
      await engine.refreshNetworks();
      return told(lines);
    },
  },
  processes: {
    schema: z.object({ target: name }),
    run: ({ model }, { target }) => machineProcesses(model, target),
  },
  place: {
    schema: z.object({ target: name }),
    run: async ({ model, engine }, { target }) => {
      const place = placeOf(model, target);
      return { ...place, entrance: await engine.entrance(place.unit, place.directory) };
    },
  },
};

function told(lines: string[]): Told {
  return { told: lines };
}

/** Description and parameter schema of every action, by name. */
function actionsOf({ store }: Model, application: string): Record<string, unknown> {
  const { actions } = applicationNamed(store, application).charm;
  const entries = Object.entries(actions).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([action, { description, schema }]) => [action, { description, ...schema }]),
  );
}

async function power(model: Model, engine: EnginePort, target: string, on: boolean): Promise<Told> {
  const machine = target.includes('/') ? unitNamed(model.store, target).machineId : target;
  if (on) await engine.powerOn(machine);
  else await engine.powerOff(machine);
  return told([`machine ${machine} is ${on ? 'on' : 'off'}`]);
}

/** Where a unit lives on this machine; for a machine its first unit. */
function placeOf({ store, layout }: Model, target: string): { unit: string; directory: string } {
  const sql = 'SELECT name FROM unit WHERE machine_id = ? ORDER BY name';
  const first = target.includes('/') ? undefined : store.get<{ name: string }>(sql, target);
  if (!target.includes('/') && first === undefined) {
    throw refusal('not-found', `machine ${target} not found`);
  }
  const unit = unitNamed(store, first?.name ?? target).name;
  const directory = layout.agentDir(unit);
  if (existsSync(directory)) return { unit, directory };
  throw refusal(
    'not-installed',
    `cannot enter ${unit}: it is not installed yet`,
    `wait for it with \`pgcharm wait ${unit}\``,
  );
}

/**
 * `deploy` of a bundle: makes the model have what the bundle lists, and says what it does.
 *
 * Deploying it again changes only what differs: applications that exist are kept, with a newer
 * charm if the file's content is another; options of the bundle are set; missing applications,
 * units and relations are added. Nothing is ever removed.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { checkCharm, parseCharmYaml } from '../../../lib/contract/charm-yaml.ts';
import type { DeployRequest } from '../api.ts';
import { checkNewName, insertApplication, setExposed, setTrust } from './applications.ts';
import { type CharmContent, keepArchive, readCharmArchive } from './charm-archive.ts';
import { addCharm, checkDeployable, chooseBase } from './charms.ts';
import { storeConfig, typedValues } from './config.ts';
import { type Application, findApplication, type Model, refusal, unitsOf } from './model.ts';
import { replaceCharm } from './refresh.ts';
import { ensureRelation } from './relations.ts';
import { storageDirectives } from './storage.ts';
import { insertUnits } from './units.ts';

const applicationSchema = z.object({
  charm: z.string(),
  num_units: z.number().int().min(0).max(100).default(0),
  options: z.record(z.string(), z.unknown()).default({}),
  storage: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  base: z.string().optional(),
  constraints: z.string().optional(),
  trust: z.boolean().optional(),
  expose: z.boolean().optional(),
  to: z.array(z.union([z.string(), z.number()])).default([]),
});
const bundleSchema = z.object({
  applications: z.record(z.string(), applicationSchema),
  // A relation is two endpoints, or one endpoint and several others.
  relations: z.array(z.tuple([z.string(), z.union([z.string(), z.array(z.string())])])).default([]),
});

type Entry = z.output<typeof applicationSchema> & { name: string; content: CharmContent };

/** The file to read when `path` is a bundle, or undefined when it is a charm. */
export async function bundleFile(path: string): Promise<string | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) {
    const inside = join(path, 'bundle.yaml');
    const there = await stat(inside).catch(() => undefined);
    return there?.isFile() ? inside : undefined;
  }
  return /\.ya?ml$/.test(path) && info?.isFile() ? path : undefined;
}

/** @returns a line for each change @throws OperatorError; then nothing was changed */
export async function deployBundle(
  model: Model,
  file: string,
  request: DeployRequest,
): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  const bundle = checkCharm(bundleSchema, parseCharmYaml(text, request.shown), 'invalid bundle');
  const entries: Entry[] = [];
  for (const [name, wanted] of Object.entries(bundle.applications)) {
    entries.push({ ...wanted, name, content: await charmOf(model, file, name, wanted.charm) });
  }
  return model.store.tx(() => {
    const told = entries.flatMap((entry) => applyApplication(model, entry, request));
    for (const [first, others] of bundle.relations) {
      for (const second of [others].flat()) {
        if (ensureRelation(model, first, second)) told.push(`- add relation ${first} - ${second}`);
      }
    }
    if (told.length === 0) return ['No changes to apply.'];
    return ['Executing changes:', ...told, 'Deploy of bundle completed.'];
  });
}

async function charmOf(
  model: Model,
  file: string,
  name: string,
  charm: string,
): Promise<CharmContent> {
  if (!/^[./]/.test(charm)) {
    throw refusal(
      'no-store',
      `cannot deploy "${name}" from "${charm}": this controller has no access to a charm store`,
      'name a .charm file by a path that begins with ./ ../ or /',
    );
  }
  const path = resolve(dirname(file), charm);
  const content = await readCharmArchive(path, charm);
  checkDeployable(content);
  await keepArchive(model.layout, path, content.sha256);
  return content;
}

function applyApplication(model: Model, entry: Entry, request: DeployRequest): string[] {
  const existing = findApplication(model.store, entry.name);
  if (existing === undefined) return addApplication(model, entry, request);
  if (existing.life !== 'alive') {
    throw refusal('not-alive', `cannot deploy bundle: application "${entry.name}" is not alive`);
  }
  return updateApplication(model, existing, entry, request);
}

function addApplication(model: Model, entry: Entry, request: DeployRequest): string[] {
  const { name, content } = entry;
  checkNewName(model, name);
  const charm = addCharm(model, content);
  const application = insertApplication(model, {
    name,
    charm,
    base: chooseBase(content, entry.base),
    config: typedValues(content.config, entry.options),
    storage: storageDirectives(content.metadata, asTexts(entry.storage)),
    constraints: constraintsOf(entry.constraints),
    trust: entry.trust === true || request.trust === true,
  });
  if (entry.expose === true) setExposed(model, name, true);
  const units = insertUnits(model, application, {
    count: entry.num_units,
    to: entry.to.map(String),
    kind: request.machine,
  });
  return [
    `- upload charm ${charm.name} from ${entry.charm}`,
    `- deploy application ${name} using ${charm.name} (revision ${charm.revision})`,
    ...units.map((unit) => `- add unit ${unit.name} to new machine ${unit.machineId}`),
  ];
}

function updateApplication(
  model: Model,
  existing: Application,
  entry: Entry,
  { machine: kind }: DeployRequest,
): string[] {
  const { name, content } = entry;
  const told: string[] = [];
  if (content.sha256 !== existing.charm.sha256) {
    replaceCharm(model, existing, content, {});
    told.push(`- upgrade ${name} using charm ${content.metadata.name} from ${entry.charm}`);
  }
  const current = findApplication(model.store, name) ?? existing;
  const config = { ...current.config, ...typedValues(content.config, entry.options) };
  if (storeConfig(model, current, config)) told.push(`- set application options for ${name}`);
  if (entry.trust === true && !current.trust) {
    setTrust(model, name, true);
    told.push(`- trust ${name}`);
  }
  const missing = entry.num_units - unitsOf(model.store, name).length;
  const added = insertUnits(model, current, { count: Math.max(0, missing), kind });
  return [
    ...told,
    ...added.map((unit) => `- add unit ${unit.name} to new machine ${unit.machineId}`),
  ];
}

function asTexts(values: Record<string, string | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}

/** `cores=2 mem=4G` */
function constraintsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(/\s+/).filter((part) => part.includes('='));
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

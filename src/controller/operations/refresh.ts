/**
 * `refresh --path`: another revision of the same charm. Refuses what would break relations or
 * storage that exist; every unit then gets upgrade-charm and config-changed, even when the
 * archive is the same. A unit in error waits until it is resolved, unless it is forced.
 */
import type { ConfigValue } from '../../../lib/contract/config.ts';
import type { CharmMetadata } from '../../../lib/contract/metadata.ts';
import { insertPeerRelation } from './applications.ts';
import { type CharmContent, keepArchive, readCharmArchive } from './charm-archive.ts';
import { addCharm, checkDeployable, chooseBase } from './charms.ts';
import { storeConfig, typedConfig } from './config.ts';
import { type Application, aliveApplication, type Model, refusal } from './model.ts';
import { forceUpgrade } from './resolved.ts';
import { storageDirectives } from './storage.ts';

export interface RefreshRequest {
  application: string;
  path: string;
  shown: string;
  config?: Record<string, string> | undefined;
  storage?: Record<string, string> | undefined;
  trust?: boolean | undefined;
  /** Units in error get the charm too, at once. */
  force?: boolean | undefined;
}

/** @returns what Juju prints @throws OperatorError `refresh-refused` */
export async function refresh(model: Model, request: RefreshRequest): Promise<string[]> {
  const before = aliveApplication(model.store, request.application);
  const content = await readCharmArchive(request.path, request.shown);
  checkDeployable(content);
  checkSuccessor(model, before, content);
  await keepArchive(model.layout, request.path, content.sha256);
  return model.store.tx(() => {
    const application = aliveApplication(model.store, request.application);
    const told = replaceCharm(model, application, content, request);
    if (request.force === true) forceUpgrade(model.store, application.name);
    return told;
  });
}

/** Call it inside a transaction. @throws OperatorError `refresh-refused` */
export function replaceCharm(
  model: Model,
  application: Application,
  content: CharmContent,
  change: Pick<RefreshRequest, 'config' | 'storage' | 'trust'>,
): string[] {
  const { store } = model;
  checkSuccessor(model, application, content);
  const charm = addCharm(model, content);
  const storage = { ...application.storage, ...addedStorage(application, content, change.storage) };
  store.run(
    `UPDATE application SET charm_id = ?, charm_modified = charm_modified + 1, base = ?,
     storage_directives = ?, trust = max(trust, ?) WHERE name = ?`,
    charm.id,
    keptBase(application, content),
    JSON.stringify(storage),
    change.trust === true ? 1 : 0,
    application.name,
  );
  const config = stillKnown(application.config, content);
  Object.assign(config, typedConfig(content.config, application.name, { set: change.config }));
  storeConfig(model, application, config);
  for (const endpoint of content.metadata.endpoints) {
    const known = application.charm.metadata.endpoints.some(({ name }) => name === endpoint.name);
    if (endpoint.role === 'peer' && !known) insertPeerRelation(model, application.name, endpoint);
  }
  return [`Added local charm "${charm.name}", revision ${charm.revision}, to the model`];
}

/** Options that the new revision does not have, or has with another type, are dropped. */
function stillKnown(
  config: Record<string, ConfigValue>,
  content: CharmContent,
): Record<string, ConfigValue> {
  return Object.fromEntries(
    Object.entries(config).filter(([key, value]) => {
      const type = content.config[key]?.type;
      if (type === undefined) return false;
      if (type === 'int' || type === 'float') return typeof value === 'number';
      return type === 'boolean' ? typeof value === 'boolean' : typeof value === 'string';
    }),
  );
}

/** Directives for storage that the new revision adds; units that exist get none of it by itself. */
function addedStorage(
  application: Application,
  content: CharmContent,
  given: Record<string, string> | undefined,
): Application['storage'] {
  const all = storageDirectives(content.metadata, given ?? {});
  const changes = (name: string) =>
    !Object.hasOwn(application.storage, name) || given?.[name] !== undefined;
  return Object.fromEntries(Object.entries(all).filter(([name]) => changes(name)));
}

function keptBase(application: Application, content: CharmContent): string {
  const same = content.manifest.bases.some((b) => `${b.name}@${b.channel}` === application.base);
  return same ? application.base : chooseBase(content, undefined);
}

function checkSuccessor(model: Model, application: Application, content: CharmContent): void {
  const { charm, name } = application;
  if (content.metadata.name !== charm.name) {
    throw refusal(
      'refresh-refused',
      `cannot refresh "${name}": cannot upgrade "${charm.name}" to "${content.metadata.name}"`,
    );
  }
  const problem =
    brokenRelation(model, application, content.metadata) ??
    brokenStorage(charm.metadata, content.metadata);
  if (problem === undefined) return;
  throw refusal('refresh-refused', `cannot upgrade application "${name}" to charm: ${problem}`);
}

function brokenRelation(
  { store }: Model,
  { name }: Application,
  next: CharmMetadata,
): string | undefined {
  const used = store.all<{ id: number; endpoint: string; role: string; interface: string }>(
    `SELECT r.id, e.endpoint, e.role, r.interface FROM relation_endpoint e
     JOIN relation r ON r.id = e.relation_id WHERE e.application = ? AND e.endpoint <> 'juju-info'`,
    name,
  );
  const lost = used.find(
    (one) =>
      !next.endpoints.some(
        (endpoint) =>
          endpoint.name === one.endpoint &&
          endpoint.role === one.role &&
          endpoint.interface === one.interface,
      ),
  );
  if (lost === undefined) return undefined;
  const endpoints = store
    .all<{ text: string }>(
      `SELECT application || ':' || endpoint AS text FROM relation_endpoint
       WHERE relation_id = ? ORDER BY role DESC`,
      lost.id,
    )
    .map(({ text }) => text);
  return `would break relation "${endpoints.join(' ')}"`;
}

function brokenStorage(before: CharmMetadata, next: CharmMetadata): string | undefined {
  for (const old of before.storage) {
    const now = next.storage.find(({ name }) => name === old.name);
    if (now === undefined) return `storage "${old.name}" removed`;
    if (now.type !== old.type) {
      return `existing storage "${old.name}" type changed from "${old.type}" to "${now.type}"`;
    }
    const contracted = `existing storage "${old.name}" range contracted`;
    if (now.min > old.min) return `${contracted}: min increased from ${old.min} to ${now.min}`;
    if (now.max !== undefined && (old.max === undefined || now.max < old.max)) {
      return `${contracted}: max decreased`;
    }
  }
  const added = next.storage.find(
    (spec) => spec.min > 0 && !before.storage.some(({ name }) => name === spec.name),
  );
  return added === undefined ? undefined : `required storage "${added.name}" added`;
}

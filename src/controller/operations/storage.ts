/**
 * Storage instances: how many and how large a unit gets, from the charm's declaration and the
 * operator's directives; attaching those that a removed unit left.
 */
import { type CharmMetadata, type StorageSpec, sizeMib } from '../../../lib/contract/metadata.ts';
import {
  type Application,
  type Model,
  refusal,
  type StorageDirective,
  type Unit,
  unitNamed,
} from './model.ts';

const DEFAULT_POOL = 'rootfs';

/**
 * Directives of an application by storage name: what the charm declares, changed by what the
 * operator gave (`pool,size,count` in any order).
 *
 * @throws OperatorError `storage-invalid`
 */
export function storageDirectives(
  metadata: CharmMetadata,
  given: Record<string, string>,
): Record<string, StorageDirective> {
  const unknown = Object.keys(given).find(
    (name) => !metadata.storage.some((spec) => spec.name === name),
  );
  if (unknown !== undefined) {
    const message = `charm "${metadata.name}" has no store called "${unknown}"`;
    throw refusal('storage-invalid', message);
  }
  return Object.fromEntries(
    metadata.storage.map((spec) => [spec.name, directive(metadata, spec, given[spec.name])]),
  );
}

function directive(
  metadata: CharmMetadata,
  spec: StorageSpec,
  text: string | undefined,
): StorageDirective {
  const result = { pool: DEFAULT_POOL, sizeMib: spec.minimumSizeMib, count: spec.min };
  if (text === undefined) return result;
  // Naming an optional store without a count asks for one of it.
  result.count = Math.max(1, spec.min);
  for (const part of text.split(',').filter((item) => item !== '')) {
    if (/^\d+$/.test(part)) result.count = Number(part);
    else if (/^\d/.test(part)) result.sizeMib = sizeOf(spec.name, part);
    else result.pool = part;
  }
  const where = `charm "${metadata.name}" store "${spec.name}"`;
  if (result.pool !== DEFAULT_POOL) {
    throw refusal('storage-invalid', `storage pool "${result.pool}" not found`, 'there is rootfs');
  }
  if (result.sizeMib < spec.minimumSizeMib) {
    const least = `${spec.minimumSizeMib}M`;
    throw refusal('storage-invalid', `${where}: minimum storage size is ${least}, got ${text}`);
  }
  if (result.count < spec.min) {
    const message = `${where}: ${spec.min} instances required, ${result.count} specified`;
    throw refusal('storage-invalid', message);
  }
  if (spec.max !== undefined && result.count > spec.max) {
    const message = `${where}: at most ${spec.max} instances supported, ${result.count} specified`;
    throw refusal('storage-invalid', message);
  }
  return result;
}

function sizeOf(name: string, text: string): number {
  const size = sizeMib(text);
  if (size !== undefined) return size;
  throw refusal('storage-invalid', `cannot parse size "${text}" of storage "${name}"`);
}

/**
 * The instances of a new unit: those given take the place of new ones. Inside a transaction.
 *
 * @param attach ids of detached instances
 */
export function createStorage(
  model: Model,
  application: Application,
  unit: Unit,
  attach: readonly string[],
): void {
  for (const id of attach) attachInstance(model, unit, id);
  for (const spec of application.charm.metadata.storage) {
    const wanted = application.storage[spec.name];
    if (wanted === undefined) continue;
    const attached = attach.filter((id) => id.startsWith(`${spec.name}/`)).length;
    for (let count = attached; count < wanted.count; count += 1) {
      insertInstance(model, unit, spec, wanted);
    }
  }
}

function insertInstance(
  { store, layout, now }: Model,
  unit: Unit,
  spec: StorageSpec,
  wanted: StorageDirective,
): void {
  const id = `${spec.name}/${store.nextNumber('storage')}`;
  store.run(
    `INSERT INTO storage
       (id, name, kind, application, unit, machine_id, location, size_mib, pool, created)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    spec.name,
    spec.type,
    unit.application,
    unit.name,
    unit.machineId,
    layout.storageDir(id),
    wanted.sizeMib,
    wanted.pool,
    now(),
  );
}

/** `attach-storage`: gives detached instances to a unit. */
export function attachStorage(model: Model, unitName: string, ids: readonly string[]): string[] {
  return model.store.tx(() => {
    const unit = unitNamed(model.store, unitName);
    for (const id of ids) attachInstance(model, unit, id);
    return ids.map((id) => `attaching ${id} to ${unit.name}`);
  });
}

function attachInstance({ store }: Model, unit: Unit, id: string): void {
  const row = store.get<{ unit: string | null; name: string; application: string; life: string }>(
    'SELECT unit, name, application, life FROM storage WHERE id = ?',
    id,
  );
  if (row === undefined) throw refusal('not-found', `storage "${id}" not found`);
  if (row.unit !== null || row.life !== 'alive') {
    const state = row.unit === null ? 'being removed' : `attached to ${row.unit}`;
    throw refusal(
      'storage-in-use',
      `cannot attach storage ${id} to unit ${unit.name}: it is ${state}`,
    );
  }
  if (row.application !== unit.application) {
    throw refusal(
      'storage-foreign',
      `cannot attach storage ${id} to unit ${unit.name}: it belongs to "${row.application}"`,
    );
  }
  const sql = 'UPDATE storage SET unit = ?, machine_id = ?, attached = 0 WHERE id = ?';
  store.run(sql, unit.name, unit.machineId, id);
}

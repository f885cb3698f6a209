/** The `storage` part of status: instances and the filesystems that hold them. */
import type { FilesystemStatus, StorageDocument, StorageInstanceStatus } from '../api/documents.ts';
import type { Store } from '../state/store.ts';

interface StorageRow {
  id: string;
  kind: string;
  unit: string | null;
  machine_id: string | null;
  location: string;
  size_mib: number;
  pool: string;
  life: string;
  attached: number;
  created: number;
}

/** `{}` when there is no storage, as Juju prints it. */
export function storageDocument(store: Store, since: (ms: number) => string): StorageDocument {
  const rows = store
    .all<StorageRow>('SELECT * FROM storage')
    .toSorted((a, b) => numberOf(a.id) - numberOf(b.id));
  if (rows.length === 0) return {};
  return {
    storage: Object.fromEntries(rows.map((row) => [row.id, instance(row, since)])),
    filesystems: Object.fromEntries(
      rows.map((row) => [String(numberOf(row.id)), filesystem(row, since)]),
    ),
  };
}

function instance(row: StorageRow, since: (ms: number) => string): StorageInstanceStatus {
  return {
    kind: row.kind,
    ...life(row),
    status: standing(row, since),
    persistent: true,
    ...(row.unit === null ? {} : { attachments: { units: unitAttachment(row) } }),
  };
}

function filesystem(row: StorageRow, since: (ms: number) => string): FilesystemStatus {
  const machines = {
    [row.machine_id ?? '']: { 'mount-point': row.location, 'read-only': false, life: 'alive' },
  };
  return {
    'provider-id': String(numberOf(row.id)),
    storage: row.id,
    ...(row.unit === null ? {} : { attachments: { machines, units: unitAttachment(row) } }),
    pool: row.pool,
    size: row.size_mib,
    ...life(row),
    status: standing(row, since),
  };
}

function unitAttachment(row: StorageRow) {
  const place = { machine: row.machine_id ?? '', location: row.location, life: 'alive' };
  return { [row.unit ?? '']: place };
}

function standing(row: StorageRow, since: (ms: number) => string) {
  const detached = row.life === 'alive' ? 'detached' : 'detaching';
  const current = row.unit === null ? detached : row.attached === 1 ? 'attached' : 'pending';
  return { current, since: since(row.created) };
}

function life(row: StorageRow): { life?: string } {
  return row.life === 'alive' ? {} : { life: row.life };
}

function numberOf(id: string): number {
  return Number(id.slice(id.indexOf('/') + 1));
}

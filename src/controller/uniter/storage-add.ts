/** The instances that a hook asked for with storage-add; storage-attached follows for each. */
import type { CharmMetadata } from '../../../lib/contract/metadata.ts';
import { CommitRefused } from '../tools/apply-changes.ts';
import type { AgentPorts } from './ports.ts';

interface Directive {
  pool: string;
  sizeMib: number;
}

/**
 * Call it inside the transaction that commits the hook.
 *
 * @throws CommitRefused when the charm declares no such storage, or no more of it
 */
export function addStorage(ports: AgentPorts, unit: string, name: string, count: number): void {
  const { store, layout } = ports;
  const row = store.get<{
    application: string;
    machine_id: string;
    metadata: string;
    directives: string;
    present: number;
  }>(
    `SELECT u.application, u.machine_id, c.metadata, a.storage_directives AS directives,
       (SELECT count(*) FROM storage s WHERE s.unit = u.name AND s.name = ?2) AS present
     FROM unit u JOIN application a ON a.name = u.application JOIN charm c ON c.id = a.charm_id
     WHERE u.name = ?1`,
    unit,
    name,
  );
  if (row === undefined) return;
  const { storage } = JSON.parse(row.metadata) as CharmMetadata;
  const spec = storage.find((candidate) => candidate.name === name);
  if (spec === undefined) throw new CommitRefused(`charm storage "${name}" not found`);
  if (spec.max !== undefined && row.present + count > spec.max) {
    throw new CommitRefused(`cannot add storage "${name}": at most ${spec.max} instances`);
  }
  const directives = JSON.parse(row.directives) as Record<string, Directive | undefined>;
  for (let added = 0; added < count; added += 1) {
    const id = `${name}/${store.nextNumber('storage')}`;
    store.run(
      `INSERT INTO storage (id, name, kind, application, unit, machine_id, location, size_mib,
         pool, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      name,
      spec.type,
      row.application,
      unit,
      row.machine_id,
      layout.storageDir(id),
      directives[name]?.sizeMib ?? spec.minimumSizeMib,
      directives[name]?.pool ?? 'rootfs',
      ports.now(),
    );
  }
}

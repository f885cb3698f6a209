/**
 * Reads one unit's two sides, local and remote, from the store.
 *
 * Reads only. What the agent keeps in memory (waiting commands) is passed in.
 */
import { createHash } from 'node:crypto';
import {
  type ConfigOptions,
  type ConfigValue,
  effectiveConfig,
} from '../../../lib/contract/config.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import type { Store } from '../state/store.ts';
import type { OperationState } from './operation.ts';
import { readSecretEvents } from './read-secrets.ts';
import { UPDATE_STATUS_INTERVAL_MS } from './timing.ts';
import type {
  ConfigHashes,
  Life,
  LocalRelation,
  RemoteRelation,
  StorageView,
  UnitLocal,
  UnitRemote,
} from './unit-state.ts';

export interface UnitView {
  local: UnitLocal;
  remote: UnitRemote;
  application: string;
  machineId: string;
  powered: boolean;
  forceRemoval: boolean;
}

interface UnitRow {
  application: string;
  machine_id: string;
  life: Life;
  force_removal: number;
  installed: number;
  started: number;
  stopped: number;
  removed: number;
  leader_accepted: number;
  seen_boot: number;
  charm_id: number | null;
  charm_modified: number;
  config_hash: string | null;
  trust_hash: string | null;
  address_hash: string | null;
  last_update_status: number;
  operation: string | null;
  secrets_told: string;
  app_life: Life;
  app_charm: number;
  app_modified: number;
  app_config: string;
  trust: number;
  boot: number;
  power: string;
  address: string;
  charm_config: string;
}

const UNIT_SQL = `
  SELECT u.*, a.life AS app_life, a.charm_id AS app_charm, a.charm_modified AS app_modified,
         a.config AS app_config, a.trust, m.boot, m.power, m.address, c.config AS charm_config
  FROM unit u JOIN application a ON a.name = u.application JOIN machine m ON m.id = u.machine_id
  JOIN charm c ON c.id = a.charm_id WHERE u.name = ?`;

/**
 * @param commands how many commands of juju-exec wait in the agent's memory
 * @returns undefined when the model has no such unit
 */
export function readUnit(
  store: Store,
  unit: string,
  now: number,
  commands = 0,
): UnitView | undefined {
  const row = store.get<UnitRow>(UNIT_SQL, unit);
  if (row === undefined) return undefined;
  const local = localOf(store, unit, row);
  return {
    local,
    remote: remoteOf(store, local, row, { now, commands }),
    application: row.application,
    machineId: row.machine_id,
    powered: row.power === 'on',
    forceRemoval: row.force_removal !== 0,
  };
}

function localOf(store: Store, unit: string, row: UnitRow): UnitLocal {
  return {
    unit,
    installed: row.installed !== 0,
    started: row.started !== 0,
    stopped: row.stopped !== 0,
    removed: row.removed !== 0,
    leaderAccepted: row.leader_accepted !== 0,
    seenBoot: row.seen_boot,
    charm: row.charm_id === null ? undefined : { id: row.charm_id, modified: row.charm_modified },
    hashes: {
      config: row.config_hash ?? undefined,
      trust: row.trust_hash ?? undefined,
      address: row.address_hash ?? undefined,
    },
    lastUpdateStatus: row.last_update_status,
    operation: row.operation === null ? undefined : (JSON.parse(row.operation) as OperationState),
    relations: localRelations(store, unit),
  };
}

function localRelations(store: Store, unit: string): Map<number, LocalRelation> {
  const rows = store.all<{
    relation_id: number;
    in_scope: number;
    created_run: number;
    members: string;
    apps: string;
    changed_pending: string | null;
  }>('SELECT * FROM relation_unit WHERE unit = ?', unit);
  return new Map(
    rows.map((row) => [
      row.relation_id,
      {
        inScope: row.in_scope !== 0,
        createdRun: row.created_run !== 0,
        members: JSON.parse(row.members) as Record<string, number>,
        apps: JSON.parse(row.apps) as Record<string, number>,
        changedPending: row.changed_pending ?? undefined,
      },
    ]),
  );
}

function remoteOf(
  store: Store,
  local: UnitLocal,
  row: UnitRow,
  options: { now: number; commands: number },
): UnitRemote {
  const { unit } = local;
  const lease = store.get<{ unit: string }>(
    'SELECT unit FROM lease WHERE application = ?',
    row.application,
  );
  const leader = lease?.unit === unit;
  const owner = { unit, application: row.application, leads: leader && local.leaderAccepted };
  const told = JSON.parse(row.secrets_told) as Record<string, number>;
  return {
    life: row.life,
    applicationLife: row.app_life,
    boot: row.boot,
    charm: { id: row.app_charm, modified: row.app_modified },
    hashes: hashesOf(row),
    leader,
    relations: remoteRelations(store, owner),
    secrets: readSecretEvents(store, owner, told, options.now),
    tasks: store
      .all<{ id: number }>(
        `SELECT id FROM task WHERE unit = ? AND status = 'pending' ORDER BY id`,
        unit,
      )
      .map(({ id }) => id),
    storage: store
      .all<{ id: string; life: Life; attached: number }>(
        'SELECT id, life, attached FROM storage WHERE unit = ? ORDER BY id',
        unit,
      )
      .map(({ id, life, attached }): StorageView => ({ id, life, attached: attached !== 0 })),
    commands: options.commands,
    updateStatusIntervalMs: intervalMs(modelConfig(store, 'update-status-hook-interval')),
    automaticallyRetryHooks: modelConfig(store, 'automatically-retry-hooks') !== 'false',
  };
}

function remoteRelations(
  store: Store,
  self: { unit: string; application: string; leads: boolean },
): RemoteRelation[] {
  const members = relationMembers(store, self);
  const rows = store.all<{
    id: number;
    kind: string;
    life: Life;
    suspended: number;
    endpoint: string;
    remote: string;
    version: number;
  }>(
    `SELECT r.id, r.kind, r.life, r.suspended, mine.endpoint,
            coalesce(other.application, mine.application) AS remote,
            coalesce(bag.version, 0) AS version
     FROM relation_endpoint mine JOIN relation r ON r.id = mine.relation_id
     LEFT JOIN relation_endpoint other
       ON other.relation_id = r.id AND other.application <> mine.application
     LEFT JOIN databag bag ON bag.relation_id = r.id
       AND bag.owner = coalesce(other.application, mine.application)
     WHERE mine.application = ? ORDER BY r.id`,
    self.application,
  );
  return rows.map((row) => ({
    id: row.id,
    endpoint: row.endpoint,
    peer: row.kind === 'peer',
    life: row.life,
    suspended: row.suspended !== 0,
    remoteApp: row.remote,
    members: members.get(row.id) ?? {},
    // The one who writes a peer relation's application databag is not told about it.
    apps: row.kind === 'peer' && self.leads ? {} : { [row.remote]: row.version },
  }));
}

/** A unit counts as gone from the moment that it is dying, as Juju's PrepareLeaveScope has it. */
function relationMembers(
  store: Store,
  self: { unit: string; application: string },
): Map<number, Record<string, number>> {
  const rows = store.all<{ relation_id: number; unit: string; version: number }>(
    `SELECT ru.relation_id, ru.unit, coalesce(bag.version, 0) AS version
     FROM relation_endpoint mine
     JOIN relation r ON r.id = mine.relation_id
     JOIN relation_unit ru ON ru.relation_id = r.id AND ru.in_scope = 1
     JOIN unit u ON u.name = ru.unit AND u.life = 'alive'
     LEFT JOIN databag bag ON bag.relation_id = r.id AND bag.owner = ru.unit
     WHERE mine.application = ?1 AND ru.unit <> ?2 AND (r.kind = 'peer' OR u.application <> ?1)
       AND (r.scope <> 'container'
            OR u.machine_id = (SELECT machine_id FROM unit WHERE name = ?2))`,
    self.application,
    self.unit,
  );
  const result = new Map<number, Record<string, number>>();
  for (const { relation_id: id, unit, version } of rows) {
    const known = result.get(id) ?? {};
    known[unit] = version;
    result.set(id, known);
  }
  return result;
}

function hashesOf(row: UnitRow): ConfigHashes {
  const options = JSON.parse(row.charm_config) as ConfigOptions;
  const set = JSON.parse(row.app_config) as Record<string, ConfigValue>;
  return {
    // Defaults with what was set over them: setting an option to its default is no change.
    config: fingerprint(Object.entries(effectiveConfig(options, set)).sort()),
    trust: String(row.trust),
    address: fingerprint(row.address),
  };
}

function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

export function modelConfig(store: Store, key: string): string | undefined {
  return store.get<{ value: string }>('SELECT value FROM model_config WHERE key = ?', key)?.value;
}

function intervalMs(text: string | undefined): number {
  const parsed = text === undefined ? undefined : parseDurationMs(text);
  return parsed === undefined || parsed <= 0 ? UPDATE_STATUS_INTERVAL_MS : parsed;
}

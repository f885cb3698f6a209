/**
 * What every operation works with: the store, the installation's places, the time; and how the
 * parts of the model are looked up, with Juju's words for what is not there.
 */
import type { ActionSpecs } from '../../../lib/contract/actions.ts';
import type { ConfigOptions, ConfigValue } from '../../../lib/contract/config.ts';
import type { CharmManifest } from '../../../lib/contract/manifest.ts';
import type { CharmMetadata } from '../../../lib/contract/metadata.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';

export interface Model {
  readonly store: Store;
  readonly layout: Layout;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type Life = 'alive' | 'dying' | 'dead';

export interface Charm {
  id: number;
  name: string;
  revision: number;
  sha256: string;
  metadata: CharmMetadata;
  config: ConfigOptions;
  actions: ActionSpecs;
  manifest: CharmManifest;
  version: string | undefined;
}

export interface StorageDirective {
  pool: string;
  sizeMib: number;
  count: number;
}

export interface Application {
  name: string;
  life: Life;
  charm: Charm;
  config: Record<string, ConfigValue>;
  trust: boolean;
  exposed: boolean;
  base: string;
  constraints: Record<string, string>;
  storage: Record<string, StorageDirective>;
  workloadVersion: string | undefined;
  /** Undefined until a leader set one. */
  status: { status: string; message: string; since: number } | undefined;
}

export interface Unit {
  name: string;
  application: string;
  number: number;
  machineId: string;
  life: Life;
}

interface CharmRow {
  id: number;
  name: string;
  revision: number;
  sha256: string;
  metadata: string;
  config: string;
  actions: string;
  manifest: string;
  version: string | null;
}

interface ApplicationRow {
  name: string;
  life: Life;
  charm_id: number;
  config: string;
  trust: number;
  exposed: number;
  base: string;
  constraints: string;
  storage_directives: string;
  workload_version: string | null;
  status: string | null;
  status_message: string | null;
  status_since: number | null;
}

export function refusal(code: string, message: string, hint?: string): OperatorError {
  const base = { code, message, retry: 'never' as const };
  return new OperatorError(hint === undefined ? base : { ...base, hint });
}

/** @throws OperatorError `not-found` */
export function applicationNamed(store: Store, name: string): Application {
  const application = findApplication(store, name);
  if (application === undefined) throw refusal('not-found', `application "${name}" not found`);
  return application;
}

export function findApplication(store: Store, name: string): Application | undefined {
  const row = store.get<ApplicationRow>('SELECT * FROM application WHERE name = ?', name);
  return row === undefined ? undefined : fromRow(store, row);
}

export function allApplications(store: Store): Application[] {
  const rows = store.all<ApplicationRow>('SELECT * FROM application ORDER BY name');
  return rows.map((row) => fromRow(store, row));
}

/** @throws OperatorError `not-alive` when it is being removed */
export function aliveApplication(store: Store, name: string): Application {
  const application = applicationNamed(store, name);
  if (application.life === 'alive') return application;
  throw refusal(
    'not-alive',
    `application "${name}" is not alive`,
    `it is being removed; wait with \`pgcharm wait ${name} --for removed\``,
  );
}

function fromRow(store: Store, row: ApplicationRow): Application {
  return {
    name: row.name,
    life: row.life,
    charm: charmById(store, row.charm_id),
    config: JSON.parse(row.config) as Application['config'],
    trust: row.trust !== 0,
    exposed: row.exposed !== 0,
    base: row.base,
    constraints: JSON.parse(row.constraints) as Record<string, string>,
    storage: JSON.parse(row.storage_directives) as Application['storage'],
    workloadVersion: row.workload_version ?? undefined,
    status:
      row.status === null
        ? undefined
        : { status: row.status, message: row.status_message ?? '', since: row.status_since ?? 0 },
  };
}

export function charmById(store: Store, id: number): Charm {
  const row = store.get<CharmRow>('SELECT * FROM charm WHERE id = ?', id);
  if (row === undefined) throw new Error(`charm ${id} is not in the store`);
  return {
    id: row.id,
    name: row.name,
    revision: row.revision,
    sha256: row.sha256,
    metadata: JSON.parse(row.metadata) as CharmMetadata,
    config: JSON.parse(row.config) as ConfigOptions,
    actions: JSON.parse(row.actions) as ActionSpecs,
    manifest: JSON.parse(row.manifest) as CharmManifest,
    version: row.version ?? undefined,
  };
}

/** `local:postgresql-3` */
export function charmUrl(charm: Charm): string {
  return `local:${charm.name}-${charm.revision}`;
}

const UNIT_COLUMNS = 'name, application, number, machine_id AS machineId, life';

export function unitsOf(store: Store, application: string): Unit[] {
  const sql = `SELECT ${UNIT_COLUMNS} FROM unit WHERE application = ? ORDER BY number`;
  return store.all<Unit>(sql, application);
}

/**
 * @param name `pg/0`, or `pg/leader`
 * @throws OperatorError `not-found`
 */
export function unitNamed(store: Store, name: string): Unit {
  const resolved = name.endsWith('/leader') ? leaderOf(store, name.slice(0, -7)) : name;
  if (resolved === undefined) {
    throw refusal('no-leader', `could not determine leader for "${name.slice(0, -7)}"`);
  }
  const unit = store.get<Unit>(`SELECT ${UNIT_COLUMNS} FROM unit WHERE name = ?`, resolved);
  if (unit === undefined) throw refusal('not-found', `unit "${resolved}" not found`);
  return unit;
}

export function leaderOf(store: Store, application: string): string | undefined {
  const sql = 'SELECT unit FROM lease WHERE application = ?';
  return store.get<{ unit: string }>(sql, application)?.unit;
}

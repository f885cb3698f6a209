/**
 * The document of `status --format json`, and what the text form needs beside it.
 *
 * `since` changes only with the status it belongs to: clients compare two documents to see whether
 * anything happened.
 */

import { CONTRACT_VERSION } from '../../../lib/contract/version.ts';
import type {
  ApplicationStatus,
  MachineStatus,
  RelatedApplication,
  RelationStatus,
  StatusAnswer,
} from '../api/documents.ts';
import { MACHINE_DEVICE, macOf } from '../machines/net-plan.ts';
import { type Application, allApplications, charmUrl, type Model } from '../operations/model.ts';
import type { Store } from '../state/store.ts';
import { modelNames } from './model.ts';
import { chosenParts } from './status-filter.ts';
import { storageDocument } from './storage.ts';
import { clockTime, statusTime } from './times.ts';
import {
  applicationStanding,
  type Formatting,
  statusInfo,
  type UnitRecord,
  unitRecords,
  unitStatus,
} from './unit-status.ts';

/** @param patterns applications, units and machines to show; none shows all */
export function statusAnswer(
  model: Model,
  patterns: readonly string[],
  utc: boolean,
): StatusAnswer {
  const { store } = model;
  const since = (ms: number) => statusTime(ms, utc);
  const how: Formatting = { now: model.now(), since, version: CONTRACT_VERSION };
  const everything = { applications: allApplications(store), units: unitRecords(store) };
  const { applications, units, machines } = chosenParts(everything, patterns);
  const rows = machineRows(store).filter((row) => machines === undefined || machines.has(row.id));
  const relations = relationRows(store);
  const names = modelNames(model);
  return {
    document: {
      model: {
        name: names.model,
        type: 'iaas',
        controller: names.controller,
        cloud: names.cloud,
        version: CONTRACT_VERSION,
        'model-status': { current: 'available', since: how.since(names.created) },
      },
      machines: Object.fromEntries(rows.map((row) => [row.id, machineStatus(row, how)])),
      applications: Object.fromEntries(
        applications.map((application) => [
          application.name,
          applicationStatus(store, application, { units, relations, how }),
        ]),
      ),
      storage: storageDocument(store, how.since),
      controller: { timestamp: clockTime(model.now(), utc) },
    },
    relations: relationStatuses(relations),
  };
}

interface Parts {
  units: readonly UnitRecord[];
  relations: readonly RelationRow[];
  how: Formatting;
}

function applicationStatus(
  store: Store,
  application: Application,
  { units: all, relations, how }: Parts,
): ApplicationStatus {
  const { charm } = application;
  const units = all.filter((unit) => unit.application === application.name);
  const related = relatedApplications(application.name, relations);
  const [name = 'ubuntu', channel = ''] = application.base.split('@');
  const version = application.workloadVersion;
  return {
    charm: charmUrl(charm),
    base: { name, channel },
    'charm-origin': 'local',
    'charm-name': charm.name,
    'charm-rev': charm.revision,
    ...(charm.version === undefined ? {} : { 'charm-version': charm.version }),
    exposed: application.exposed,
    ...(application.life === 'alive' ? {} : { life: application.life }),
    'application-status': statusInfo(applicationStanding(store, application, units), how),
    ...(Object.keys(related).length === 0 ? {} : { relations: related }),
    ...(units.length === 0
      ? {}
      : {
          units: Object.fromEntries(
            units.map((unit) => [unit.name, unitStatus(store, unit, application, how)]),
          ),
        }),
    ...(version === undefined || version === '' ? {} : { version }),
    'endpoint-bindings': endpointBindings(application),
  };
}

/** There is one space; the empty name is the default of all endpoints. */
export function endpointBindings({ charm }: Application): Record<string, string> {
  const names = charm.metadata.endpoints.map(({ name }) => name);
  const all = ['', ...names, ...charm.metadata.extraBindings].toSorted();
  return Object.fromEntries(all.map((name) => [name, 'alpha']));
}

interface RelationRow {
  id: number;
  kind: string;
  interface: string;
  scope: string;
  life: string;
  suspended: number;
  application: string;
  endpoint: string;
  role: string;
}

function relationRows(store: Store): RelationRow[] {
  return store.all<RelationRow>(
    `SELECT r.id, r.kind, r.interface, r.scope, r.life, r.suspended,
            e.application, e.endpoint, e.role
     FROM relation r JOIN relation_endpoint e ON e.relation_id = r.id
     ORDER BY r.id, e.application, e.endpoint`,
  );
}

/** By endpoint; a peer relation lists its own application. */
function relatedApplications(
  application: string,
  rows: readonly RelationRow[],
): Record<string, RelatedApplication[]> {
  const related: Record<string, RelatedApplication[]> = {};
  for (const mine of rows.filter((row) => row.application === application)) {
    const other = rows.find((row) => row.id === mine.id && row !== mine) ?? mine;
    const entry = {
      'related-application': other.application,
      interface: mine.interface,
      scope: mine.scope,
    };
    related[mine.endpoint] = [...(related[mine.endpoint] ?? []), entry];
  }
  return Object.fromEntries(Object.entries(related).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function relationStatuses(rows: readonly RelationRow[]): RelationStatus[] {
  const providers = rows.filter(({ role }) => role !== 'requirer');
  return providers.map((provider) => {
    const requirer = rows.find((row) => row.id === provider.id && row.role === 'requirer');
    const end = ({ application, endpoint }: RelationRow) => `${application}:${endpoint}`;
    const ending = provider.life === 'alive' ? '' : 'removing';
    return {
      id: provider.id,
      provider: end(provider),
      requirer: end(requirer ?? provider),
      interface: provider.interface,
      type: provider.kind === 'peer' ? 'peer' : 'regular',
      message: provider.suspended === 1 ? 'suspended' : ending,
    };
  });
}

interface MachineRow {
  id: string;
  kind: string;
  address: string;
  life: string;
  power: string;
  hostname: string;
  status: string;
  status_since: number;
  created: number;
  base: string | null;
}

function machineRows(store: Store): MachineRow[] {
  const rows = store.all<MachineRow>(
    `SELECT m.*, (SELECT a.base FROM unit u JOIN application a ON a.name = u.application
                  WHERE u.machine_id = m.id LIMIT 1) AS base FROM machine m`,
  );
  return rows.toSorted((a, b) => Number(a.id) - Number(b.id));
}

function machineStatus(row: MachineRow, how: Formatting): MachineStatus {
  const [name = 'ubuntu', channel = '24.04'] = (row.base ?? 'ubuntu@24.04').split('@');
  const since = how.since(row.created);
  const on = row.power === 'on';
  return {
    'juju-status': {
      current: row.status,
      ...(on ? {} : { message: 'agent is not communicating with the server' }),
      since: how.since(row.status_since),
      version: how.version,
      ...(row.life === 'alive' ? {} : { life: row.life }),
    },
    hostname: row.hostname,
    'dns-name': row.address,
    'ip-addresses': [row.address],
    'instance-id': `${row.kind}-${row.id}`,
    'machine-status': {
      current: on ? 'running' : 'stopped',
      message: on ? 'Running' : 'Powered off',
      since: how.since(row.status_since),
    },
    'modification-status': { current: 'idle', since },
    base: { name, channel },
    'network-interfaces': {
      [row.kind === 'loopback' ? 'lo' : MACHINE_DEVICE]: {
        'ip-addresses': [row.address],
        'mac-address': row.kind === 'loopback' ? '00:00:00:00:00:00' : macOf(row.id),
        'is-up': on,
        space: 'alpha',
      },
    },
    hardware: `arch=${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

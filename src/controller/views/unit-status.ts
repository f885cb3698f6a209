/**
 * What status says of a unit, and of an application from its units.
 *
 * Idle means that nothing is due: whoever changes the model and asks at once must not be told of
 * the time before. A hook that failed shows as the workload's error while the agent is idle: that
 * is where Juju's formatter puts it, and clients look for it there.
 */
import { comparePorts, type PortRange, portText } from '../../../lib/contract/ports.ts';
import type { StatusInfo, UnitStatus } from '../api/documents.ts';
import { type Application, charmById, charmUrl } from '../operations/model.ts';
import type { Store } from '../state/store.ts';
import type { OperationState } from '../uniter/operation.ts';
import { readUnit } from '../uniter/read-unit.ts';
import { nextOperation } from '../uniter/resolver.ts';

export interface UnitRecord {
  name: string;
  application: string;
  number: number;
  machine_id: string;
  life: string;
  charm_id: number | null;
  operation: string | null;
  workload_status: string;
  workload_message: string;
  workload_since: number;
  agent_status: string;
  agent_message: string;
  agent_since: number;
  opened_ports: string;
  address: string;
  leader: number;
}

/** A status with its time in milliseconds, before it is formatted. */
export interface Standing {
  current: string;
  message: string;
  sinceMs: number;
}

/** How bad a workload's status is; the worst unit speaks for its application. */
const SEVERITY: Record<string, number> = {
  error: 100,
  blocked: 90,
  maintenance: 80,
  waiting: 70,
  active: 60,
  terminated: 50,
  unknown: 40,
};

export function unitRecords(store: Store): UnitRecord[] {
  return store.all<UnitRecord>(
    `SELECT u.name, u.application, u.number, u.machine_id, u.life, u.charm_id, u.operation,
            u.workload_status, u.workload_message, u.workload_since,
            u.agent_status, u.agent_message, u.agent_since, u.opened_ports, m.address,
            coalesce(l.unit = u.name, 0) AS leader
     FROM unit u JOIN machine m ON m.id = u.machine_id
     LEFT JOIN lease l ON l.application = u.application
     ORDER BY u.application, u.number`,
  );
}

function workloadStanding(store: Store, unit: UnitRecord): Standing {
  const failure = hookFailure(store, unit);
  if (failure !== undefined) {
    return { current: 'error', message: failure, sinceMs: unit.agent_since };
  }
  if (unit.agent_status === 'lost') {
    const message = `agent lost, see 'pgcharm show-status-log ${unit.name}'`;
    return { current: 'unknown', message, sinceMs: unit.agent_since };
  }
  return {
    current: unit.workload_status,
    message: unit.workload_message,
    sinceMs: unit.workload_since,
  };
}

function agentStanding(store: Store, unit: UnitRecord, now: number): Standing {
  const failed = unit.agent_status === 'error' && hookFailure(store, unit) !== undefined;
  const told = failed ? 'idle' : unit.agent_status;
  const current = unit.agent_status === 'idle' && isDue(store, unit, now) ? 'executing' : told;
  // The workload's line says both already.
  const message = failed || current === 'lost' ? '' : unit.agent_message;
  return { current, message, sinceMs: unit.agent_since };
}

/**
 * Whether a change waits for this unit to end what idle units run without a word: update-status and
 * commands of juju-exec. A unit waits for the other units of its machine as well.
 */
function isDue(store: Store, unit: UnitRecord, now: number): boolean {
  const view = readUnit(store, unit.name, now);
  if (view === undefined || !view.local.started) return false;
  const { operation } = view.local;
  if (operation !== undefined && operation.hook.kind !== 'update-status') return true;
  const next = nextOperation({ ...view.local, operation: undefined }, view.remote, now);
  return next !== undefined && !(next.kind === 'hook' && next.hook.kind === 'update-status');
}

/** `hook failed: "db-relation-changed" for web:database`, or undefined. */
function hookFailure(store: Store, unit: UnitRecord): string | undefined {
  if (unit.operation === null || unit.agent_status !== 'error') return undefined;
  const { hook, step } = JSON.parse(unit.operation) as OperationState;
  if (step !== 'failed') return undefined;
  const text = `hook failed: "${hook.name}"`;
  if (hook.relationId === undefined) return text;
  const other = store.get<{ application: string; endpoint: string }>(
    `SELECT application, endpoint FROM relation_endpoint
     WHERE relation_id = ? AND application <> ?`,
    hook.relationId,
    unit.application,
  );
  return other === undefined ? text : `${text} for ${other.application}:${other.endpoint}`;
}

/** What a leader set, else the worst unit's; on ties the leader's, then the lowest number's. */
export function applicationStanding(
  store: Store,
  application: Application,
  units: readonly UnitRecord[],
): Standing {
  const own = application.status;
  if (own !== undefined) {
    return { current: own.status, message: own.message, sinceMs: own.since };
  }
  const ranked = units
    .map((unit) => ({ unit, standing: workloadStanding(store, unit) }))
    .toSorted(
      (a, b) =>
        (SEVERITY[b.standing.current] ?? 0) - (SEVERITY[a.standing.current] ?? 0) ||
        b.unit.leader - a.unit.leader ||
        a.unit.number - b.unit.number,
    );
  return ranked[0]?.standing ?? { current: 'unknown', message: '', sinceMs: 0 };
}

export interface Formatting {
  /** Milliseconds since the epoch. */
  now: number;
  /** Turns milliseconds into `since`. */
  since: (ms: number) => string;
  version: string;
}

export function statusInfo(standing: Standing, { since }: Formatting): StatusInfo {
  return {
    current: standing.current,
    ...(standing.message === '' ? {} : { message: standing.message }),
    ...(standing.sinceMs === 0 ? {} : { since: since(standing.sinceMs) }),
  };
}

export function unitStatus(
  store: Store,
  unit: UnitRecord,
  application: Application,
  how: Formatting,
): UnitStatus {
  const ports = portTexts(unit);
  const upgrading =
    unit.charm_id !== null && unit.charm_id !== application.charm.id
      ? { 'upgrading-from': charmUrl(charmById(store, unit.charm_id)) }
      : {};
  return {
    'workload-status': statusInfo(workloadStanding(store, unit), how),
    'juju-status': {
      ...statusInfo(agentStanding(store, unit, how.now), how),
      version: how.version,
      ...(unit.life === 'alive' ? {} : { life: unit.life }),
    },
    ...(unit.leader === 1 ? { leader: true as const } : {}),
    ...upgrading,
    machine: unit.machine_id,
    ...(ports.length === 0 ? {} : { 'open-ports': ports }),
    'public-address': unit.address,
  };
}

export function portTexts(unit: { opened_ports: string }): string[] {
  const ports = JSON.parse(unit.opened_ports) as PortRange[];
  return ports.toSorted(comparePorts).map(portText);
}

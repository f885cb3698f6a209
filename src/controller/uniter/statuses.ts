/**
 * The statuses that the agent itself writes: what it executes, and the workload's status around
 * install, stop and remove as long as the charm has said nothing of its own.
 */
import { appendStatus } from '../state/log-table.ts';
import type { Store } from '../state/store.ts';
import type { HookInfo } from './hook-info.ts';

export interface Status {
  status: string;
  message: string;
}

const INSTALLING = 'installing charm software';
/** What a new unit says before its charm has run. */
const BEFORE_INSTALL: readonly string[] = [
  'waiting for machine',
  'installing agent',
  'agent initialising',
];

/** Juju shows which remote unit or secret revision a hook is for. */
export function executingMessage(hook: HookInfo): string {
  const base = `running ${hook.name} hook`;
  if (hook.remoteUnit !== undefined) return `${base} for ${hook.remoteUnit}`;
  if (hook.secretId !== undefined) {
    const revision = hook.secretRevision === undefined ? '' : `/${hook.secretRevision}`;
    return `${base} for secret:${hook.secretId}${revision}`;
  }
  return base;
}

export function setAgentStatus(store: Store, unit: string, next: Status, now: number): void {
  const changed = store.run(
    `UPDATE unit SET agent_status = ?2, agent_message = ?3, agent_since = ?4
     WHERE name = ?1 AND (agent_status <> ?2 OR agent_message <> ?3)`,
    unit,
    next.status,
    next.message,
    now,
  );
  if (changed > 0) appendStatus(store, { entity: unit, kind: 'juju-unit', ...next }, now);
}

export function setWorkloadStatus(store: Store, unit: string, next: Status, now: number): void {
  store.run(
    `UPDATE unit SET workload_status = ?2, workload_message = ?3, workload_data = '{}',
     workload_since = ?4 WHERE name = ?1`,
    unit,
    next.status,
    next.message,
    now,
  );
  appendStatus(store, { entity: unit, kind: 'workload', ...next }, now);
}

/** What the workload's status becomes as a hook starts; undefined leaves it alone. */
export function statusBefore(hook: HookInfo, current: Status): Status | undefined {
  if (hook.kind === 'install' && saysNothing(current)) {
    return { status: 'maintenance', message: INSTALLING };
  }
  if (hook.kind === 'stop') return { status: 'maintenance', message: 'stopping charm software' };
  if (hook.kind === 'remove') {
    return { status: 'maintenance', message: 'cleaning up prior to charm deletion' };
  }
  return undefined;
}

/** What the workload's status becomes once a hook has been committed. */
export function statusAfter(hook: HookInfo, current: Status): Status | undefined {
  if (hook.kind === 'start' && (saysNothing(current) || current.message === INSTALLING)) {
    return { status: 'unknown', message: '' };
  }
  if (hook.kind === 'stop') return { status: 'maintenance', message: '' };
  if (hook.kind === 'remove') return { status: 'terminated', message: '' };
  return undefined;
}

export function workloadStatus(store: Store, unit: string): Status {
  const row = store.get<{ workload_status: string; workload_message: string }>(
    'SELECT workload_status, workload_message FROM unit WHERE name = ?',
    unit,
  );
  return { status: row?.workload_status ?? 'unknown', message: row?.workload_message ?? '' };
}

function saysNothing({ status, message }: Status): boolean {
  return status === 'waiting' && BEFORE_INSTALL.includes(message);
}

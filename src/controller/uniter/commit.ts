/**
 * What the end of a hook means for its unit: Juju's commit side effects. Runs in the same
 * transaction that applies the hook's own writes, so that both happen or neither.
 */
import type { Store } from '../state/store.ts';
import type { HookInfo } from './hook-info.ts';
import { type OperationState, queued } from './operation.ts';
import { leaveScope, refreshNetworkFacts } from './scope.ts';
import { setWorkloadStatus, statusAfter, workloadStatus } from './statuses.ts';
import { rotationMs, SECRET_RETRY_MS } from './timing.ts';
import type { ConfigHashes } from './unit-state.ts';

/** What the model said when the hook started: that, not what it says now, is what it reported. */
export interface AsStarted {
  hashes: ConfigHashes;
  boot: number;
}

/** Marks the hook as done: its effects, and the hook that must follow at once, if any. */
export function commitHook(
  store: Store,
  unit: string,
  hook: HookInfo,
  done: AsStarted & { now: number },
): void {
  const follows = commitEffects(store, unit, hook, done);
  setOperation(store, unit, follows === undefined ? undefined : queued(follows));
  store.run('UPDATE unit SET process = NULL WHERE name = ?', unit);
  acceptOwnWrites(store, unit);
  const status = statusAfter(hook, workloadStatus(store, unit));
  if (status !== undefined) setWorkloadStatus(store, unit, status, done.now);
}

export function setOperation(
  store: Store,
  unit: string,
  operation: OperationState | undefined,
): void {
  const text = operation === undefined ? null : JSON.stringify(operation);
  store.run('UPDATE unit SET operation = ? WHERE name = ?', text, unit);
}

function commitEffects(
  store: Store,
  unit: string,
  hook: HookInfo,
  done: AsStarted & { now: number },
): HookInfo | undefined {
  const set = (assignments: string, ...values: (string | number)[]) => {
    store.run(`UPDATE unit SET ${assignments} WHERE name = ?`, ...values, unit);
  };
  switch (hook.kind) {
    case 'install':
      set('installed = 1');
      return undefined;
    case 'start':
      set('started = 1, seen_boot = ?, last_update_status = ?', done.boot, done.now);
      return undefined;
    case 'config-changed':
      return commitConfig(store, unit, done.hashes);
    case 'upgrade-charm':
      return { kind: 'config-changed', name: 'config-changed' };
    case 'update-status':
      set('last_update_status = ?', done.now);
      return undefined;
    case 'stop':
      set('stopped = 1');
      return undefined;
    case 'remove':
      set('removed = 1');
      return undefined;
    case 'leader-elected':
      return undefined;
    case 'storage-attached':
    case 'storage-detaching':
      commitStorage(store, hook);
      return undefined;
    default:
      if (hook.relationId !== undefined) commitRelation(store, unit, hook);
      else commitSecret(store, unit, hook, done.now);
      return undefined;
  }
}

/** Nothing comes between the first config-changed and start. */
function commitConfig(store: Store, unit: string, hashes: ConfigHashes): HookInfo | undefined {
  store.run(
    'UPDATE unit SET config_hash = ?, trust_hash = ?, address_hash = ? WHERE name = ?',
    hashes.config,
    hashes.trust,
    hashes.address,
    unit,
  );
  refreshNetworkFacts(store, unit);
  const row = store.get<{ started: number }>('SELECT started FROM unit WHERE name = ?', unit);
  return row?.started === 0 ? { kind: 'start', name: 'start' } : undefined;
}

function commitStorage(store: Store, hook: HookInfo): void {
  const id = hook.storageId ?? '';
  if (hook.kind === 'storage-attached') {
    store.run('UPDATE storage SET attached = 1 WHERE id = ?', id);
    return;
  }
  store.run('UPDATE storage SET attached = 0 WHERE id = ?', id);
  // An instance that ends while its unit stays is free for removal now.
  store.run(
    `UPDATE storage SET unit = NULL, machine_id = NULL WHERE id = ? AND life <> 'alive'
     AND unit IN (SELECT name FROM unit WHERE life = 'alive')`,
    id,
  );
}

function commitRelation(store: Store, unit: string, hook: HookInfo): void {
  const relationId = hook.relationId ?? -1;
  if (hook.kind === 'relation-broken') {
    leaveScope(store, unit, relationId);
    return;
  }
  const row = store.get<{ members: string; apps: string; changed_pending: string | null }>(
    'SELECT * FROM relation_unit WHERE relation_id = ? AND unit = ?',
    relationId,
    unit,
  );
  if (row === undefined) return; // The relation was removed by force meanwhile.
  if (hook.kind === 'relation-created') {
    store.run(
      'UPDATE relation_unit SET created_run = 1 WHERE relation_id = ? AND unit = ?',
      relationId,
      unit,
    );
    return;
  }
  const members = JSON.parse(row.members) as Record<string, number>;
  const apps = JSON.parse(row.apps) as Record<string, number>;
  let pending = row.changed_pending;
  const { remoteUnit, remoteApp, version = 0 } = hook;
  if (remoteUnit === undefined) {
    if (remoteApp !== undefined) apps[remoteApp] = version;
  } else if (hook.kind === 'relation-departed') {
    delete members[remoteUnit];
    if (pending === remoteUnit) pending = null;
  } else {
    members[remoteUnit] = version;
    pending =
      hook.kind === 'relation-joined' ? remoteUnit : pending === remoteUnit ? null : pending;
  }
  store.run(
    `UPDATE relation_unit SET members = ?, apps = ?, changed_pending = ?
     WHERE relation_id = ? AND unit = ?`,
    JSON.stringify(members),
    JSON.stringify(apps),
    pending,
    relationId,
    unit,
  );
}

function commitSecret(store: Store, unit: string, hook: HookInfo, now: number): void {
  const id = hook.secretId ?? '';
  const revision = hook.secretRevision ?? 0;
  switch (hook.kind) {
    case 'secret-changed':
      store.run(
        'UPDATE secret_consumer SET notified = ? WHERE secret_id = ? AND unit = ?',
        revision,
        id,
        unit,
      );
      return;
    case 'secret-remove':
      store.run(
        'UPDATE secret_revision SET remove_notified = 1 WHERE secret_id = ? AND revision = ?',
        id,
        revision,
      );
      return;
    case 'secret-rotate':
      scheduleRotation(store, id, hook.version ?? 0, now);
      return;
    case 'secret-expired':
      rememberTold(store, unit, `${id}/${revision}`, now);
      return;
    default:
      return;
  }
}

/** A hook that wrote no new revision is asked again after a while. */
function scheduleRotation(store: Store, id: string, was: number, now: number): void {
  const secret = store.get<{ latest: number; rotate: string }>(
    'SELECT latest, rotate FROM secret WHERE id = ?',
    id,
  );
  if (secret === undefined) return;
  const interval = rotationMs(secret.rotate);
  const wait = secret.latest > was ? interval : SECRET_RETRY_MS;
  const next = interval === undefined || wait === undefined ? null : now + wait;
  store.run('UPDATE secret SET next_rotate = ? WHERE id = ?', next, id);
}

function rememberTold(store: Store, unit: string, key: string, now: number): void {
  const row = store.get<{ told: string }>(
    'SELECT secrets_told AS told FROM unit WHERE name = ?',
    unit,
  );
  const told = JSON.parse(row?.told ?? '{}') as Record<string, number>;
  const recent = Object.entries(told).filter(([, at]) => at + 2 * SECRET_RETRY_MS > now);
  const next = JSON.stringify({ ...Object.fromEntries(recent), [key]: now });
  store.run('UPDATE unit SET secrets_told = ? WHERE name = ?', next, unit);
}

/**
 * The leader knows what it wrote to its peers' application databag: should it lose leadership, it
 * is not told of its own writes.
 */
function acceptOwnWrites(store: Store, unit: string): void {
  const rows = store.all<{ relation_id: number; apps: string; owner: string; version: number }>(
    `SELECT ru.relation_id, ru.apps, b.owner, b.version FROM relation_unit ru
     JOIN relation r ON r.id = ru.relation_id AND r.kind = 'peer'
     JOIN unit u ON u.name = ru.unit AND u.leader_accepted = 1
     JOIN lease l ON l.application = u.application AND l.unit = u.name
     JOIN databag b ON b.relation_id = ru.relation_id AND b.owner = u.application
     WHERE ru.unit = ? AND b.version > 0`,
    unit,
  );
  for (const { relation_id: relationId, apps, owner, version } of rows) {
    const seen = JSON.parse(apps) as Record<string, number>;
    if (seen[owner] === version) continue;
    store.run(
      'UPDATE relation_unit SET apps = ? WHERE relation_id = ? AND unit = ?',
      JSON.stringify({ ...seen, [owner]: version }),
      relationId,
      unit,
    );
  }
}

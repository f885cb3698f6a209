/**
 * What a unit does next: Juju's resolver chain, asked after every operation and every change of
 * the model. The first link that has something wins; this order is the whole ordering contract.
 *
 * Pure: no store, no clock. Who carries an operation out commits its effect before asking again.
 */
import type { HookInfo, PlainHook, SecretHook, StorageHook } from './hook-info.ts';
import type { Operation } from './operation.ts';
import { isLeaving, nextRelationHook, relationHook, seenOf } from './relation-resolver.ts';
import { updateStatusDueAt } from './timing.ts';
import type { SecretDue, UnitLocal, UnitRemote } from './unit-state.ts';

/** One link of the chain. */
type Resolver = (local: UnitLocal, remote: UnitRemote, now: number) => Operation | undefined;

/**
 * @param now milliseconds since the epoch
 * @returns undefined when the unit has nothing to do until something changes or is due
 */
export function nextOperation(
  local: UnitLocal,
  remote: UnitRemote,
  now: number,
): Operation | undefined {
  if (local.removed || remote.life === 'dead') return { kind: 'die' };
  for (const resolve of CHAIN) {
    const operation = resolve(local, remote, now);
    if (operation !== undefined) return operation;
  }
  return undefined;
}

const reboot: Resolver = (local, remote) => {
  if (remote.boot <= local.seenBoot || !isIdle(local) || remote.life !== 'alive') return undefined;
  // A unit that has not started yet sees the boot with its first start.
  return local.started ? plain('start') : undefined;
};

const upgradeInProgress: Resolver = (local, remote, now) => {
  if (local.operation?.step !== 'unpacking') return undefined;
  if (remote.life !== 'alive' && !local.installed) {
    return { kind: 'skip-hook', hook: local.operation.hook };
  }
  return now < local.operation.retryAt ? undefined : { kind: 'unpack' };
};

const createdRelations: Resolver = (local, remote) => {
  if (!local.installed || !isIdle(local)) return undefined;
  for (const relation of remote.relations) {
    const seen = seenOf(local, relation.id);
    if (isLeaving(relation, remote)) {
      // The charm has not heard of it yet, and now it need not.
      if (!seen.inScope || seen.createdRun || relation.peer) continue;
      return { kind: 'leave-scope', relationId: relation.id };
    }
    if (!seen.inScope) return { kind: 'enter-scope', relationId: relation.id };
    if (!seen.createdRun) return { kind: 'hook', hook: relationHook(relation, 'relation-created') };
  }
  return undefined;
};

const leadership: Resolver = (local, remote) => {
  if (!local.installed) return undefined;
  const mayLead = remote.leader && remote.life === 'alive';
  if (local.leaderAccepted && !mayLead) return { kind: 'resign-leadership' };
  if (!local.leaderAccepted && mayLead && isIdle(local)) return { kind: 'accept-leadership' };
  return undefined;
};

const secrets: Resolver = (local, remote) => {
  if (!local.installed || remote.life !== 'alive' || !isIdle(local)) return undefined;
  const { expired, rotate, changed, obsolete } = remote.secrets;
  if (expired[0] !== undefined) return secretHook('secret-expired', expired[0]);
  if (rotate[0] !== undefined) return secretHook('secret-rotate', rotate[0]);
  if (changed[0] !== undefined) return secretHook('secret-changed', changed[0]);
  if (obsolete[0] !== undefined) return secretHook('secret-remove', obsolete[0]);
  return undefined;
};

/** Actions and commands run in a hook error too; they need the charm, not a finished install. */
const actions: Resolver = (local, remote) => {
  if (local.charm === undefined) return undefined;
  if (!isIdle(local) && local.operation?.step !== 'failed') return undefined;
  const taskId = remote.tasks[0];
  if (taskId !== undefined) return { kind: 'action', taskId };
  return remote.commands > 0 ? { kind: 'command' } : undefined;
};

/** Before install, all initial storage is attached: the hooks come out here, ahead of install. */
const storage: Resolver = (local, remote) => {
  if (local.charm === undefined || !isIdle(local)) return undefined;
  for (const instance of remote.storage) {
    const leaving = remote.life !== 'alive' || instance.life !== 'alive';
    if (leaving && instance.attached) return storageHook('storage-detaching', instance.id);
    if (!leaving && !instance.attached) return storageHook('storage-attached', instance.id);
  }
  return undefined;
};

/**
 * When the unit has something to do although nothing in the model changes.
 *
 * @returns milliseconds since the epoch, or undefined when there is nothing to wait for
 */
export function nextDeadline(local: UnitLocal, remote: UnitRemote): number | undefined {
  const operation = local.operation;
  if (operation !== undefined) {
    const waits = operation.step !== 'failed' || remote.automaticallyRetryHooks;
    return waits ? operation.retryAt : undefined;
  }
  const times = remote.secrets.nextAt === undefined ? [] : [remote.secrets.nextAt];
  if (local.started && remote.life === 'alive') {
    const { lastUpdateStatus: last } = local;
    times.push(updateStatusDueAt(local.unit, last, remote.updateStatusIntervalMs));
  }
  return times.length === 0 ? undefined : Math.min(...times);
}

/** An operation that is under way comes before anything new. */
const inProgress: Resolver = (local, remote, now) => {
  const operation = local.operation;
  if (operation === undefined) return undefined;
  const { hook, step, resolve, retryAt } = operation;
  const { relationId } = hook;
  // Its relation was removed by force: there is nothing left that it could be about.
  if (relationId !== undefined && !remote.relations.some(({ id }) => id === relationId)) {
    return step === 'failed' || step === 'queued' ? { kind: 'skip-hook', hook } : undefined;
  }
  if (step === 'failed') {
    if (resolve === 'no-retry') return { kind: 'skip-hook', hook };
    const due = remote.automaticallyRetryHooks && now >= retryAt;
    return resolve === 'retry' || due ? { kind: 'hook', hook } : undefined;
  }
  if (step !== 'queued' || now < retryAt) return undefined;
  if (hook.kind === 'leader-elected' && !local.leaderAccepted) return { kind: 'skip-hook', hook };
  if (hook.kind === 'install' && remote.life !== 'alive') return { kind: 'skip-hook', hook };
  return { kind: 'hook', hook };
};

const alive: Resolver = (local, remote, now) => {
  if (remote.life !== 'alive' || !isIdle(local)) return undefined;
  if (local.charm === undefined) return { kind: 'unpack' };
  if (!local.installed) return plain('install');
  if (local.charm.id !== remote.charm.id || local.charm.modified !== remote.charm.modified) {
    return { kind: 'unpack' };
  }
  const { hashes } = remote;
  const same =
    local.hashes.config === hashes.config &&
    local.hashes.trust === hashes.trust &&
    local.hashes.address === hashes.address;
  if (!same) return plain('config-changed');
  const hook = nextRelationHook(local, remote);
  if (hook !== undefined) return { kind: 'hook', hook };
  if (!local.started) return undefined;
  const due = updateStatusDueAt(local.unit, local.lastUpdateStatus, remote.updateStatusIntervalMs);
  return now >= due ? plain('update-status') : undefined;
};

const dying: Resolver = (local, remote) => {
  if (remote.life === 'alive' || !isIdle(local)) return undefined;
  const hook = nextRelationHook(local, remote);
  if (hook !== undefined) return { kind: 'hook', hook };
  if (local.started && !local.stopped) return plain('stop');
  if (local.installed && !local.removed) return plain('remove');
  return { kind: 'die' };
};

const CHAIN: readonly Resolver[] = [
  reboot,
  upgradeInProgress,
  createdRelations,
  leadership,
  secrets,
  actions,
  storage,
  inProgress,
  alive,
  dying,
];

function isIdle(local: UnitLocal): boolean {
  return local.operation === undefined;
}

function plain(kind: PlainHook): Operation {
  return { kind: 'hook', hook: { kind, name: kind } };
}

function storageHook(kind: StorageHook, storageId: string): Operation {
  const name = `${storageId.slice(0, storageId.lastIndexOf('/'))}-${kind}`;
  return { kind: 'hook', hook: { kind, name, storageId } };
}

function secretHook(kind: SecretHook, secret: SecretDue): Operation {
  const hook: HookInfo = { kind, name: kind, secretId: secret.id };
  if (secret.label !== undefined) hook.secretLabel = secret.label;
  // A rotation is for the secret, not for a revision; the version says which one was current.
  if (kind === 'secret-rotate') hook.version = secret.revision;
  else hook.secretRevision = secret.revision;
  return { kind: 'hook', hook };
}

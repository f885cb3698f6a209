/** Units as the resolver sees them: one that runs and has nothing to do, and changes to it. */
import type { HookInfo } from '../../src/controller/uniter/hook-info.ts';
import type { OperationState } from '../../src/controller/uniter/operation.ts';
import { nextOperation } from '../../src/controller/uniter/resolver.ts';
import type {
  LocalRelation,
  RemoteRelation,
  SecretEvents,
  UnitLocal,
  UnitRemote,
} from '../../src/controller/uniter/unit-state.ts';

export const NOW = 1_000_000;
export const HASHES = { config: 'c', trust: '0', address: 'a' };
export const NO_SECRETS: SecretEvents = {
  expired: [],
  rotate: [],
  changed: [],
  obsolete: [],
  nextAt: undefined,
};

/** A unit that runs and has nothing to do. */
export function aLocal(changes: Partial<UnitLocal> = {}): UnitLocal {
  return {
    unit: 'a/0',
    installed: true,
    started: true,
    stopped: false,
    removed: false,
    leaderAccepted: false,
    seenBoot: 1,
    charm: { id: 1, modified: 0 },
    hashes: HASHES,
    lastUpdateStatus: NOW,
    operation: undefined,
    relations: new Map(),
    ...changes,
  };
}

export function aRemote(changes: Partial<UnitRemote> = {}): UnitRemote {
  return {
    life: 'alive',
    applicationLife: 'alive',
    boot: 1,
    charm: { id: 1, modified: 0 },
    hashes: HASHES,
    leader: false,
    relations: [],
    secrets: NO_SECRETS,
    tasks: [],
    storage: [],
    commands: 0,
    updateStatusIntervalMs: 300_000,
    automaticallyRetryHooks: true,
    ...changes,
  };
}

export function aRelation(changes: Partial<RemoteRelation> = {}): RemoteRelation {
  return {
    id: 3,
    endpoint: 'db',
    peer: false,
    life: 'alive',
    suspended: false,
    remoteApp: 'b',
    members: {},
    apps: { b: 0 },
    ...changes,
  };
}

export function seen(changes: Partial<LocalRelation> = {}): Map<number, LocalRelation> {
  const relation = { inScope: true, createdRun: true, members: {}, apps: {} };
  return new Map([[3, { ...relation, changedPending: undefined, ...changes }]]);
}

export function operation(hook: string, changes: Partial<OperationState> = {}): OperationState {
  const info = { kind: hook, name: hook } as HookInfo;
  return { hook: info, step: 'failed', attempts: 1, retryAt: NOW + 1, resolve: null, ...changes };
}

/** A short name of what comes next: the hook and its remote unit, or the kind of operation. */
export function next(local: Partial<UnitLocal>, remote: Partial<UnitRemote>, now = NOW): string {
  const chosen = nextOperation(aLocal(local), aRemote(remote), now);
  if (chosen === undefined) return '-';
  if (chosen.kind !== 'hook') return chosen.kind;
  const { name, remoteUnit, storageId, secretRevision } = chosen.hook;
  return [name, remoteUnit ?? storageId ?? secretRevision]
    .filter((part) => part !== undefined)
    .join(' ');
}

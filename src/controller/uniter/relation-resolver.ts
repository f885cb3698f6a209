/**
 * Which relation hook comes next: Juju's `internal/worker/uniter/relation/resolver.go`.
 *
 * Databag versions are compared, not queued: any number of writes by one unit between two of my
 * hooks gives one -changed. Relations are looked at in the order of their numbers.
 */
import type { HookInfo, RelationHook } from './hook-info.ts';
import type { LocalRelation, RemoteRelation, UnitLocal, UnitRemote } from './unit-state.ts';

const NOTHING_SEEN: LocalRelation = {
  inScope: false,
  createdRun: false,
  members: {},
  apps: {},
  changedPending: undefined,
};

/** What the unit has seen of a relation, also of one that it has not entered yet. */
export function seenOf(local: UnitLocal, relationId: number): LocalRelation {
  return local.relations.get(relationId) ?? NOTHING_SEEN;
}

/** The first relation that has a hook to run decides. */
export function nextRelationHook(local: UnitLocal, remote: UnitRemote): HookInfo | undefined {
  for (const relation of remote.relations) {
    const hook = nextFor(relation, local, remote);
    if (hook !== undefined) return hook;
  }
  return undefined;
}

/** The relation ends for this unit: its remote side is to be seen as empty. */
export function isLeaving(relation: RemoteRelation, remote: UnitRemote): boolean {
  return remote.life !== 'alive' || relation.life !== 'alive' || relation.suspended;
}

function nextFor(
  relation: RemoteRelation,
  local: UnitLocal,
  remote: UnitRemote,
): HookInfo | undefined {
  const seen = seenOf(local, relation.id);
  if (!seen.inScope || !seen.createdRun) return undefined;
  const leaving = isLeaving(relation, remote);
  const members = leaving ? {} : relation.members;

  if (seen.changedPending !== undefined) {
    const version = relation.members[seen.changedPending] ?? seen.members[seen.changedPending] ?? 0;
    return unitHook(relation, 'relation-changed', seen.changedPending, version);
  }
  const gone = Object.keys(seen.members)
    .sort(byUnit)
    .find((unit) => !(unit in members));
  if (gone !== undefined) {
    return {
      ...unitHook(relation, 'relation-departed', gone, seen.members[gone] ?? 0),
      departingUnit: departingUnit(gone, local, remote),
    };
  }
  if (leaving) return relation.peer ? undefined : relationHook(relation, 'relation-broken');
  return changedApplication(relation, seen) ?? arrival(relation, seen);
}

/** A never-written application databag has version 0 and is no news. */
function changedApplication(relation: RemoteRelation, seen: LocalRelation): HookInfo | undefined {
  for (const app of Object.keys(relation.apps).sort()) {
    const version = relation.apps[app] ?? 0;
    if (version === (seen.apps[app] ?? 0)) continue;
    return { ...relationHook(relation, 'relation-changed'), remoteApp: app, version };
  }
  return undefined;
}

function arrival(relation: RemoteRelation, seen: LocalRelation): HookInfo | undefined {
  const present = Object.keys(relation.members).sort(byUnit);
  const version = (unit: string) => relation.members[unit] ?? 0;
  const joined = present.find((unit) => seen.members[unit] === undefined);
  if (joined !== undefined) return unitHook(relation, 'relation-joined', joined, version(joined));
  const changed = present.find((unit) => seen.members[unit] !== version(unit));
  if (changed === undefined) return undefined;
  return unitHook(relation, 'relation-changed', changed, version(changed));
}

/** A hook that waited, or runs again, reports what the databag holds when it starts. */
export function withCurrentVersion(hook: HookInfo, remote: UnitRemote): HookInfo {
  if (hook.kind !== 'relation-changed' && hook.kind !== 'relation-joined') return hook;
  const relation = remote.relations.find(({ id }) => id === hook.relationId);
  const version =
    hook.remoteUnit === undefined
      ? relation?.apps[hook.remoteApp ?? '']
      : relation?.members[hook.remoteUnit];
  return version === undefined ? hook : { ...hook, version };
}

function departingUnit(gone: string, local: UnitLocal, remote: UnitRemote): string {
  const leaving = remote.life !== 'alive' || remote.applicationLife !== 'alive';
  return leaving ? local.unit : gone;
}

/** A hook for the relation as a whole: -created, -broken, the -changed of an application. */
export function relationHook(relation: RemoteRelation, kind: RelationHook): HookInfo {
  return {
    kind,
    name: `${relation.endpoint}-${kind}`,
    relationId: relation.id,
    endpoint: relation.endpoint,
    remoteApp: relation.remoteApp,
  };
}

function unitHook(
  relation: RemoteRelation,
  kind: RelationHook,
  unit: string,
  version: number,
): HookInfo {
  const remoteApp = unit.slice(0, unit.lastIndexOf('/'));
  return { ...relationHook(relation, kind), remoteApp, remoteUnit: unit, version };
}

/** Units by application, then by number, so that `db/10` comes after `db/9`. */
function byUnit(a: string, b: string): number {
  const [appA, appB] = [a.slice(0, a.lastIndexOf('/')), b.slice(0, b.lastIndexOf('/'))];
  if (appA !== appB) return appA < appB ? -1 : 1;
  return Number(a.slice(appA.length + 1)) - Number(b.slice(appB.length + 1));
}

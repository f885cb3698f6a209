/**
 * Which hook runs, and for what: the value that the resolver chooses, the store keeps in
 * `unit.operation`, the runner turns into `JUJU_*` and the hook tools take their defaults from.
 *
 * JSON-safe and complete: a hook that failed is run again from this value alone.
 */
export type PlainHook =
  | 'install'
  | 'leader-elected'
  | 'config-changed'
  | 'start'
  | 'upgrade-charm'
  | 'update-status'
  | 'stop'
  | 'remove';

export type RelationHook =
  | 'relation-created'
  | 'relation-joined'
  | 'relation-changed'
  | 'relation-departed'
  | 'relation-broken';

export type StorageHook = 'storage-attached' | 'storage-detaching';
export type SecretHook = 'secret-expired' | 'secret-rotate' | 'secret-changed' | 'secret-remove';
export type HookKind = PlainHook | RelationHook | StorageHook | SecretHook;

export interface HookInfo {
  kind: HookKind;
  /** What JUJU_HOOK_NAME says: `install`, `database-relation-changed`, `data-storage-attached`. */
  name: string;

  // Relation hooks.
  relationId?: number;
  endpoint?: string;
  remoteApp?: string;
  /** Absent for -created, -broken and the -changed of an application's databag. */
  remoteUnit?: string;
  /** Only for -departed. */
  departingUnit?: string;
  /** The databag version this hook reports; what is committed as "seen" once it has run. */
  version?: number;

  // Storage hooks.
  /** `data/0` */
  storageId?: string;

  // Secret hooks.
  /** The bare id, without `secret:`. */
  secretId?: string;
  secretLabel?: string;
  /** Absent for secret-rotate. */
  secretRevision?: number;
}

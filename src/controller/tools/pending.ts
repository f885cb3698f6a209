/** What a hook has asked for and gets when it succeeds. Plain data; applied by apply-changes.ts. */
import type { PortRange } from '../../../lib/contract/ports.ts';
import type { Rotation } from '../../../lib/contract/tools/secrets.ts';

/** An empty value deletes its key. */
export type BagChanges = Record<string, string>;

/** Key -> base64. */
export type SecretContent = Record<string, string>;

export interface PendingSecret {
  id: string;
  /** Only for a secret that this hook made. */
  created?: { ownerKind: 'application' | 'unit'; owner: string };
  /** The application owns it: the commit needs the leader. */
  ofApplication: boolean;
  label?: string;
  description?: string;
  rotate?: Rotation;
  /** Milliseconds since the epoch. */
  expires?: number;
  content?: SecretContent;
  /** The unit that wrote wants to track what it wrote (`secret-get --refresh`). */
  track: boolean;
  /** Subject (unit or application) -> number of the relation, or undefined for a revocation. */
  grants: Map<string, number | undefined>;
  removed?: 'all' | Set<number>;
}

export interface PendingPort {
  range: PortRange;
  /** '' stands for every endpoint. */
  endpoint: string;
  open: boolean;
}

export interface Pending {
  unitBags: Map<number, BagChanges>;
  appBags: Map<number, BagChanges>;
  ports: PendingPort[];
  storage: { name: string; count: number }[];
  /** undefined deletes. */
  state: Map<string, string | undefined>;
  secrets: Map<string, PendingSecret>;
  actionResults: Record<string, unknown>;
  actionFailed: string | undefined;
}

export function emptyPending(): Pending {
  return {
    unitBags: new Map(),
    appBags: new Map(),
    ports: [],
    storage: [],
    state: new Map(),
    secrets: new Map(),
    actionResults: {},
    actionFailed: undefined,
  };
}

/** A databag with changes on top. */
export function mergeBag(bag: Record<string, string>, changes: BagChanges): Record<string, string> {
  const merged = { ...bag, ...changes };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
}

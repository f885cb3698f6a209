/** What one event of this charm decides by, and the steps it can take. Values only. */
import type { Databag } from '../../../lib/relations/databag.ts';

export interface World {
  readonly isLeader: boolean;
  readonly config: { readonly certificateValidity: string; readonly authorityValidity: string };
  /** Undefined until the leader has made it. */
  readonly authority: Authority | undefined;
  /** Applications that ask for certificates. */
  readonly requirers: readonly Requirer[];
  /** Applications that are told whom to trust. */
  readonly trusting: readonly Trusting[];
}

/** PEM; the key stays in the secret. */
export interface Authority {
  readonly certificate: string;
  /** The root before the last rotation. */
  readonly previous: string | undefined;
  /** The present root's key, certified by the previous one. */
  readonly cross: string | undefined;
}

export interface Requirer {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  /** Empty on a unit that is not the leader. */
  readonly localApp: Databag;
  readonly units: readonly { readonly name: string; readonly data: Databag }[];
}

export interface Trusting {
  readonly id: number;
  readonly app: string;
  readonly ending: boolean;
  readonly localApp: Databag;
  readonly localUnit: Databag;
}

export interface Steps {
  'create-authority': { days: number };
  'rotate-authority': { days: number };
  'retire-previous': Record<string, never>;
  /** Brings the answers to one application up to date; `revoke` names digests of requests. */
  answer: { relationId: number; days: number; revoke: string[]; digest: string };
  'tell-authorities': { relationId: number; digest: string };
}

export const ENDPOINT = 'certificates';
export const TRANSFER_ENDPOINT = 'send-ca-cert';
/** Fields of the application's secret. */
export const FIELDS = {
  certificate: 'ca-certificate',
  key: 'ca-key',
  previous: 'previous-ca-certificate',
  cross: 'cross-certificate',
  number: 'ca-number',
} as const;

/**
 * Which secret events a unit is due: expiry and rotation for the owner, new revisions for the
 * consumer, revisions that nobody tracks any more for the owner again. Reads only.
 */
import type { Store } from '../state/store.ts';
import { SECRET_RETRY_MS } from './timing.ts';
import type { SecretDue, SecretEvents } from './unit-state.ts';

export interface SecretOwner {
  unit: string;
  application: string;
  /** The unit answers for the application's secrets. */
  leads: boolean;
}

interface Due {
  id: string;
  label: string | null;
  revision: number;
  at: number;
}

const OWNED = `((s.owner_kind = 'unit' AND s.owner = ?1)
  OR (s.owner_kind = 'application' AND s.owner = ?2 AND ?3))`;

/** @param told when the unit last heard of an expired revision, `<id>/<revision>` -> ms */
export function readSecretEvents(
  store: Store,
  owner: SecretOwner,
  told: Readonly<Record<string, number>>,
  now: number,
): SecretEvents {
  const who = [owner.unit, owner.application, owner.leads ? 1 : 0] as const;
  const expiries = store
    .all<Due>(
      `SELECT s.id, s.label, v.revision, v.expires AS at FROM secret s
       JOIN secret_revision v ON v.secret_id = s.id
       WHERE v.expires IS NOT NULL AND ${OWNED} ORDER BY v.expires, s.id, v.revision`,
      ...who,
    )
    .map((due) => ({ ...due, at: Math.max(due.at, retryOf(told, due)) }));
  const rotations = store.all<Due>(
    `SELECT s.id, s.label, s.latest AS revision, s.next_rotate AS at FROM secret s
     WHERE s.next_rotate IS NOT NULL AND s.rotate <> 'never' AND ${OWNED}
     ORDER BY s.next_rotate, s.id`,
    ...who,
  );
  const future = [...expiries, ...rotations].map(({ at }) => at).filter((at) => at > now);
  return {
    expired: expiries.filter(({ at }) => at <= now).map(dueOf),
    rotate: rotations.filter(({ at }) => at <= now).map(dueOf),
    changed: changedSecrets(store, who),
    obsolete: obsoleteRevisions(store, who),
    nextAt: future.length === 0 ? undefined : Math.min(...future),
  };
}

type Who = readonly [unit: string, application: string, leads: number];

/** The one who writes a secret hears nothing of its own revisions. */
function changedSecrets(store: Store, who: Who): SecretDue[] {
  return store
    .all<Due>(
      `SELECT s.id, c.label, s.latest AS revision, 0 AS at
       FROM secret_consumer c JOIN secret s ON s.id = c.secret_id
       WHERE c.unit = ?1 AND s.latest > c.tracked AND s.latest > c.notified AND NOT ${OWNED}
       ORDER BY s.id`,
      ...who,
    )
    .map(dueOf);
}

function obsoleteRevisions(store: Store, who: Who): SecretDue[] {
  return store
    .all<Due>(
      `SELECT s.id, s.label, v.revision, 0 AS at
       FROM secret s JOIN secret_revision v ON v.secret_id = s.id
       WHERE v.revision < s.latest AND v.remove_notified = 0 AND ${OWNED}
         AND NOT EXISTS (SELECT 1 FROM secret_consumer c
                         WHERE c.secret_id = s.id AND c.tracked = v.revision)
       ORDER BY s.id, v.revision`,
      ...who,
    )
    .map(dueOf);
}

function retryOf(told: Readonly<Record<string, number>>, due: Due): number {
  const last = told[`${due.id}/${due.revision}`];
  return last === undefined ? 0 : last + SECRET_RETRY_MS;
}

function dueOf({ id, label, revision }: Due): SecretDue {
  return { id, label: label ?? undefined, revision };
}

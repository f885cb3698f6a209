/**
 * Who a secret belongs to, who may read it, which revision a unit tracks. Knows the store and the
 * hook's pending changes; the only thing it writes is what a reader tracks, which is not undone
 * when the hook fails.
 */
import { randomBytes } from 'node:crypto';
import { goQuote } from '../../../lib/contract/gnuflag.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { PendingSecret, SecretContent } from './pending.ts';

export interface SecretRow {
  id: string;
  owner_kind: 'application' | 'unit' | 'model';
  owner: string;
  label: string | null;
  description: string | null;
  rotate: string;
  next_rotate: number | null;
  latest: number;
}

export function secretRow(run: Execution, id: string): SecretRow | undefined {
  return run.store.get<SecretRow>('SELECT * FROM secret WHERE id = ?', id);
}

export function owns(run: Execution, row: { owner_kind: string; owner: string }): boolean {
  return (
    (row.owner_kind === 'unit' && row.owner === run.unit) ||
    (row.owner_kind === 'application' && row.owner === run.application)
  );
}

/** Secrets that the unit may change: its own, and for the leader the application's. */
export function ownedRows(run: Execution): SecretRow[] {
  return run.store
    .all<SecretRow>(
      `SELECT * FROM secret WHERE (owner_kind = 'unit' AND owner = ?)
         OR (owner_kind = 'application' AND owner = ?) ORDER BY created, id`,
      run.unit,
      run.application,
    )
    .filter((row) => row.owner_kind === 'unit' || run.isLeader());
}

/**
 * The pending change of an owned secret, begun if there is none yet.
 *
 * @throws ToolFailure `secret "id" not found`, `this unit is not the leader`
 */
export function changeOf(run: Execution, id: string): PendingSecret {
  const pending = run.pending.secrets.get(id);
  if (pending !== undefined) {
    if (pending.ofApplication) run.requireLeader();
    return pending;
  }
  const row = secretRow(run, id);
  if (row === undefined || !owns(run, row)) throw notFound(id);
  if (row.owner_kind === 'application') run.requireLeader();
  const ofApplication = row.owner_kind === 'application';
  const change: PendingSecret = { id, ofApplication, track: false, grants: new Map() };
  run.pending.secrets.set(id, change);
  return change;
}

export function notFound(id: string): ToolFailure {
  return new ToolFailure(`secret ${goQuote(id)} not found`);
}

/** The id behind a label: the owner's labels come before the reader's own. */
export function idOfLabel(run: Execution, label: string): string | undefined {
  for (const change of run.pending.secrets.values()) if (change.label === label) return change.id;
  // Every unit of the application finds the application's secrets, not only the leader.
  const owned = run.store.get<{ id: string }>(
    `SELECT id FROM secret WHERE label = ?3
       AND ((owner_kind = 'unit' AND owner = ?1) OR (owner_kind = 'application' AND owner = ?2))
     ORDER BY owner_kind DESC`,
    run.unit,
    run.application,
    label,
  );
  if (owned !== undefined && run.pending.secrets.get(owned.id)?.label === undefined) {
    return owned.id;
  }
  return run.store.get<{ id: string }>(
    'SELECT secret_id AS id FROM secret_consumer WHERE unit = ? AND label = ?',
    run.unit,
    label,
  )?.id;
}

/** @throws ToolFailure `permission denied` */
export function requireAccess(run: Execution, row: SecretRow): void {
  if (owns(run, row)) return;
  // A grant is worth as much as the relation that it was given through.
  const granted = run.store.get(
    `SELECT 1 FROM secret_grant g WHERE g.secret_id = ? AND g.subject IN (?, ?)
       AND (g.scope = 'model' OR EXISTS
         (SELECT 1 FROM relation r WHERE 'relation:' || r.id = g.scope))`,
    row.id,
    run.unit,
    run.application,
  );
  if (granted === undefined) throw new ToolFailure('permission denied');
}

/**
 * The revision that a reader gets; the first read starts tracking, `refresh` moves on.
 *
 * @param label the reader's own name for the secret, kept from now on
 */
export function revisionFor(
  run: Execution,
  row: SecretRow,
  mode: 'peek' | 'refresh' | undefined,
  label: string | undefined,
): number {
  return run.store.tx(() => {
    const consumer = run.store.get<{ tracked: number }>(
      'SELECT tracked FROM secret_consumer WHERE secret_id = ? AND unit = ?',
      row.id,
      run.unit,
    );
    const tracked = mode === 'refresh' ? row.latest : (consumer?.tracked ?? row.latest);
    if (consumer?.tracked !== tracked || label !== undefined) {
      track(run, row.id, tracked, label);
    }
    return mode === 'peek' ? row.latest : tracked;
  });
}

export function track(
  run: Execution,
  secretId: string,
  revision: number,
  label: string | undefined,
): void {
  if (label !== undefined) {
    run.store.run(
      'UPDATE secret_consumer SET label = NULL WHERE unit = ? AND label = ?',
      run.unit,
      label,
    );
  }
  run.store.run(
    `INSERT INTO secret_consumer (secret_id, unit, label, tracked, notified)
     VALUES (?1, ?2, ?3, ?4, ?4)
     ON CONFLICT (secret_id, unit) DO UPDATE SET tracked = excluded.tracked,
       notified = max(notified, excluded.notified), label = coalesce(excluded.label, label)`,
    secretId,
    run.unit,
    label ?? null,
    revision,
  );
  markObsolete(run, secretId);
}

/** A revision is obsolete when it is not the latest and nobody tracks it. */
export function markObsolete(run: Execution, secretId: string): void {
  run.store.run(
    `UPDATE secret_revision SET obsolete = revision < (SELECT latest FROM secret WHERE id = ?1)
       AND NOT EXISTS (SELECT 1 FROM secret_consumer c
                       WHERE c.secret_id = ?1 AND c.tracked = secret_revision.revision)
     WHERE secret_id = ?1`,
    secretId,
  );
}

/** @throws ToolFailure when the revision was removed */
export function contentOf(run: Execution, id: string, revision: number): SecretContent {
  const row = run.store.get<{ content: string }>(
    'SELECT content FROM secret_revision WHERE secret_id = ? AND revision = ?',
    id,
    revision,
  );
  if (row === undefined) {
    throw new ToolFailure(`secret revision ${goQuote(`${id}/${revision}`)} not found`);
  }
  return JSON.parse(row.content) as SecretContent;
}

const DIGITS = '0123456789abcdefghijklmnopqrstuv';

/** 20 characters: seconds since the epoch, then randomness, in lowercase base32hex (xid's form). */
export function newSecretId(now: number): string {
  const bytes = Buffer.concat([Buffer.alloc(4), randomBytes(8)]);
  bytes.writeUInt32BE(Math.floor(now / 1000) >>> 0);
  let bits = BigInt(`0x${bytes.toString('hex')}`) << 4n;
  let id = '';
  for (let index = 0; index < 20; index += 1) {
    id = DIGITS.charAt(Number(bits & 31n)) + id;
    bits >>= 5n;
  }
  return id;
}

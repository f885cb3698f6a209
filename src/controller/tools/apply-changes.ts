/**
 * Applies what a successful hook asked for, all of it or nothing: call it inside the transaction
 * that also records the hook as done.
 *
 * Leadership is looked at once more: a hook that began as the leader's and lost the lease may not
 * write the application's databags and secrets.
 */
import type { Store } from '../state/store.ts';
import { rotationMs } from '../uniter/timing.ts';
import type { Execution } from './execution.ts';
import { type BagChanges, mergeBag, type PendingSecret } from './pending.ts';
import { applyPorts, openedPorts } from './ports.ts';
import { markObsolete, secretRow, track } from './secret-access.ts';
import { checksum } from './secret-content.ts';

/** Controller option max-charm-state-size, as it comes. */
const MAX_STATE_BYTES = 2 * 1024 * 1024;

/** The commit of a successful hook was refused: the hook counts as failed and nothing is kept. */
export class CommitRefused extends Error {
  override readonly name = 'CommitRefused';
}

/** @throws CommitRefused */
export function applyChanges(run: Execution): void {
  const { pending } = run;
  const ofLeader =
    pending.appBags.size > 0 ||
    [...pending.secrets.values()].some((secret) => secret.ofApplication);
  if (ofLeader && !run.isLeader()) throw new CommitRefused('this unit is not the leader');
  for (const [id, changes] of pending.unitBags) writeBag(run.store, id, run.unit, changes);
  for (const [id, changes] of pending.appBags) writeBag(run.store, id, run.application, changes);
  for (const secret of pending.secrets.values()) writeSecret(run, secret);
  writePorts(run);
  writeState(run);
  for (const { name, count } of pending.storage) {
    if (run.sinks.addStorage === undefined) throw new CommitRefused(`cannot add storage "${name}"`);
    run.sinks.addStorage(run.unit, name, count);
  }
}

/** The version grows only when the content becomes another: the same values fire no event. */
function writeBag(store: Store, relationId: number, owner: string, changes: BagChanges): void {
  const relation = store.get('SELECT 1 FROM relation WHERE id = ?', relationId);
  if (relation === undefined) return; // It ended while the hook ran; nobody can read it any more.
  const row = store.get<{ data: string }>(
    'SELECT data FROM databag WHERE relation_id = ? AND owner = ?',
    relationId,
    owner,
  );
  const before = JSON.parse(row?.data ?? '{}') as Record<string, string>;
  const after = mergeBag(before, changes);
  if (sameBag(before, after)) return;
  store.run(
    `INSERT INTO databag (relation_id, owner, version, data) VALUES (?, ?, 1, ?)
     ON CONFLICT (relation_id, owner)
       DO UPDATE SET data = excluded.data, version = databag.version + 1`,
    relationId,
    owner,
    JSON.stringify(after),
  );
}

function sameBag(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function writeSecret(run: Execution, secret: PendingSecret): void {
  if (secret.removed === 'all') {
    run.store.run('DELETE FROM secret WHERE id = ?', secret.id);
    return;
  }
  if (secret.created !== undefined) createSecret(run, secret, secret.created);
  else if (!updateSecret(run, secret)) return;
  for (const [subject, relation] of secret.grants) writeGrant(run, secret.id, subject, relation);
  if (secret.removed !== undefined) removeRevisions(run, secret.id, secret.removed);
}

function createSecret(
  run: Execution,
  secret: PendingSecret,
  { ownerKind, owner }: NonNullable<PendingSecret['created']>,
): void {
  const taken = run.store.get(
    'SELECT 1 FROM secret WHERE owner_kind = ? AND owner = ? AND label = ?',
    ownerKind,
    owner,
    secret.label ?? null,
  );
  if (taken !== undefined) {
    throw new CommitRefused(`secret with label "${secret.label}" already exists`);
  }
  const now = run.now();
  const rotate = secret.rotate ?? 'never';
  run.store.run(
    `INSERT INTO secret (id, owner_kind, owner, label, description, rotate, next_rotate, latest,
       created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)`,
    secret.id,
    ownerKind,
    owner,
    secret.label ?? null,
    secret.description ?? null,
    rotate,
    nextRotation(rotate, now),
    now,
    now,
  );
  addRevision(run, secret, 1);
}

function addRevision(run: Execution, secret: PendingSecret, revision: number): void {
  const content = secret.content ?? {};
  run.store.run(
    `INSERT INTO secret_revision (secret_id, revision, content, checksum, expires, created)
     VALUES (?, ?, ?, ?, ?, ?)`,
    secret.id,
    revision,
    JSON.stringify(content),
    checksum(content),
    secret.expires ?? null,
    run.now(),
  );
}

function nextRotation(policy: string, now: number): number | null {
  const interval = rotationMs(policy);
  return interval === undefined ? null : now + interval;
}

/** @returns false when the secret is gone, which leaves nothing to do */
function updateSecret(run: Execution, secret: PendingSecret): boolean {
  const row = secretRow(run, secret.id);
  if (row === undefined) return false;
  const now = run.now();
  const latest = writeContent(run, secret, row.latest);
  if (latest === row.latest && secret.expires !== undefined) {
    run.store.run(
      'UPDATE secret_revision SET expires = ? WHERE secret_id = ? AND revision = ?',
      secret.expires,
      secret.id,
      latest,
    );
  }
  const rotate = secret.rotate ?? row.rotate;
  const renewed = latest !== row.latest || rotate !== row.rotate;
  run.store.run(
    `UPDATE secret SET label = coalesce(?, label), description = coalesce(?, description),
       rotate = ?, next_rotate = ?, latest = ?, updated = ? WHERE id = ?`,
    secret.label ?? null,
    secret.description ?? null,
    rotate,
    renewed ? nextRotation(rotate, now) : row.next_rotate,
    latest,
    now,
    secret.id,
  );
  if (secret.track) track(run, secret.id, latest, undefined);
  markObsolete(run, secret.id);
  return true;
}

/** Equal content makes no revision: consumers would be told of a change that is none. */
function writeContent(run: Execution, secret: PendingSecret, latest: number): number {
  if (secret.content === undefined) return latest;
  const current = run.store.get<{ checksum: string }>(
    'SELECT checksum FROM secret_revision WHERE secret_id = ? AND revision = ?',
    secret.id,
    latest,
  );
  if (current?.checksum === checksum(secret.content)) return latest;
  addRevision(run, secret, latest + 1);
  return latest + 1;
}

function writeGrant(
  run: Execution,
  secretId: string,
  subject: string,
  relation: number | undefined,
): void {
  if (relation === undefined) {
    run.store.run(
      'DELETE FROM secret_grant WHERE secret_id = ? AND subject = ?',
      secretId,
      subject,
    );
    return;
  }
  run.store.run(
    `INSERT INTO secret_grant (secret_id, subject, scope) VALUES (?, ?, ?)
     ON CONFLICT (secret_id, subject) DO UPDATE SET scope = excluded.scope`,
    secretId,
    subject,
    `relation:${relation}`,
  );
}

/** The secret goes with its last revision. */
function removeRevisions(run: Execution, secretId: string, revisions: ReadonlySet<number>): void {
  for (const revision of revisions) {
    run.store.run(
      'DELETE FROM secret_revision WHERE secret_id = ? AND revision = ?',
      secretId,
      revision,
    );
  }
  run.store.run(
    `DELETE FROM secret WHERE id = ?1
       AND NOT EXISTS (SELECT 1 FROM secret_revision WHERE secret_id = ?1)`,
    secretId,
  );
}

function writePorts(run: Execution): void {
  if (run.pending.ports.length === 0) return;
  const ports = applyPorts(openedPorts(run.store, run.unit), run.pending.ports);
  run.store.run('UPDATE unit SET opened_ports = ? WHERE name = ?', JSON.stringify(ports), run.unit);
}

/** @throws CommitRefused when the whole state of the unit would be larger than Juju keeps */
function writeState(run: Execution): void {
  if (run.pending.state.size === 0) return;
  for (const [key, value] of run.pending.state) {
    if (value === undefined) {
      run.store.run('DELETE FROM unit_state WHERE unit = ? AND key = ?', run.unit, key);
    } else {
      run.store.run(
        `INSERT INTO unit_state VALUES (?, ?, ?)
         ON CONFLICT (unit, key) DO UPDATE SET value = excluded.value`,
        run.unit,
        key,
        value,
      );
    }
  }
  const entries = run.store.all<{ key: string; value: string }>(
    'SELECT key, value FROM unit_state WHERE unit = ?',
    run.unit,
  );
  if (bsonBytes(entries) <= MAX_STATE_BYTES) return;
  throw new CommitRefused(`persisting charm state: max allowed size (${MAX_STATE_BYTES}) exceeded`);
}

/** Juju measures the state as MongoDB would store it: type, key, NUL, length, value, NUL each. */
function bsonBytes(entries: readonly { key: string; value: string }[]): number {
  return entries.reduce(
    (sum, { key, value }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value) + 7,
    5,
  );
}

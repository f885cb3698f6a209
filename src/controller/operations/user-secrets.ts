/** Secrets of the model, made by the operator and granted to applications by name. */
import type { Store } from '../state/store.ts';
import { newSecretId } from '../tools/secret-access.ts';
import { checksum, isBase64 } from '../tools/secret-content.ts';
import { applicationNamed, type Model, refusal } from './model.ts';

const KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;
const LARGEST_BYTES = 1_000_000;

/** Keys and base64 values. */
export type Content = Record<string, string>;

/** @returns `secret:<id>` */
export function addSecret(
  model: Model,
  request: { name: string; info?: string | undefined; content: Content },
): string {
  const { store } = model;
  return store.tx(() => {
    checkNewSecretName(store, request.name);
    const content = checkedContent(request.content);
    const id = newSecretId(model.now());
    store.run(
      `INSERT INTO secret (id, owner_kind, owner, name, description, created, updated)
       VALUES (?, 'model', ?, ?, ?, ?, ?)`,
      id,
      store.meta('model-uuid') ?? '',
      request.name,
      request.info ?? null,
      model.now(),
      model.now(),
    );
    insertRevision(model, id, 1, content);
    return `secret:${id}`;
  });
}

export interface SecretUpdate {
  secret: string;
  name?: string | undefined;
  info?: string | undefined;
  content?: Content | undefined;
}

/** New content makes a new revision; consumers get secret-changed. */
export function updateSecret(model: Model, update: SecretUpdate): string[] {
  const { store } = model;
  return store.tx(() => {
    const { id, latest } = ownSecret(store, update.secret);
    if (update.name !== undefined) checkNewSecretName(store, update.name, id);
    store.run(
      `UPDATE secret SET name = coalesce(?, name), description = coalesce(?, description),
       updated = ? WHERE id = ?`,
      update.name ?? null,
      update.info ?? null,
      model.now(),
      id,
    );
    if (update.content === undefined) return [];
    const content = checkedContent(update.content);
    if (checksum(content) === latestChecksum(store, id)) return [];
    insertRevision(model, id, latest + 1, content);
    store.run('UPDATE secret SET latest = ? WHERE id = ?', latest + 1, id);
    return [];
  });
}

/** The whole secret, or one revision that is not the newest. */
export function removeSecret({ store }: Model, secret: string, revision?: number): string[] {
  return store.tx(() => {
    const { id, latest } = ownSecret(store, secret);
    if (revision === undefined || revision === latest) {
      store.run('DELETE FROM secret WHERE id = ?', id);
      return [];
    }
    const sql = 'DELETE FROM secret_revision WHERE secret_id = ? AND revision = ?';
    if (store.run(sql, id, revision) > 0) return [];
    throw refusal('not-found', `secret "${id}" revision ${revision} not found`);
  });
}

/** `grant-secret` and `revoke-secret`; no unit hears of it. */
export function setAccess(
  { store }: Model,
  request: { secret: string; applications: readonly string[]; revoke?: boolean | undefined },
): string[] {
  return store.tx(() => {
    const { id } = ownSecret(store, request.secret);
    for (const name of request.applications) {
      applicationNamed(store, name);
      store.run('DELETE FROM secret_grant WHERE secret_id = ? AND subject = ?', id, name);
      if (request.revoke === true) continue;
      const sql = `INSERT INTO secret_grant (secret_id, subject, scope) VALUES (?, ?, 'model')`;
      store.run(sql, id, name);
    }
    return [];
  });
}

/** Any secret by name, `secret:<id>`, `secret://<model>/<id>` or bare id. @throws `not-found` */
export function secretNamed(
  store: Store,
  text: string,
): { id: string; ownerKind: string; latest: number } {
  const id = text.replace(/^secret:(\/\/[^/]*\/)?/, '');
  const row = store.get<{ id: string; ownerKind: string; latest: number }>(
    `SELECT id, owner_kind AS ownerKind, latest FROM secret
     WHERE id = ?1 OR (owner_kind = 'model' AND name = ?2)`,
    id,
    text,
  );
  if (row !== undefined) return row;
  throw refusal('not-found', `secret "${id}" not found`);
}

function ownSecret(store: Store, text: string): { id: string; latest: number } {
  const secret = secretNamed(store, text);
  if (secret.ownerKind === 'model') return secret;
  throw refusal(
    'secret-foreign',
    `cannot change secret "${secret.id}": it belongs to a charm`,
    'only secrets made with add-secret can be changed here',
  );
}

function checkNewSecretName(store: Store, name: string, self?: string): void {
  if (!/^[a-zA-Z0-9]+(?:[-_.][a-zA-Z0-9]+)*$/.test(name)) {
    throw refusal('name-invalid', `secret name "${name}" not valid`);
  }
  const row = store.get<{ id: string }>(
    `SELECT id FROM secret WHERE owner_kind = 'model' AND name = ?`,
    name,
  );
  if (row === undefined || row.id === self) return;
  throw refusal('exists', `secret with name "${name}" already exists`);
}

function checkedContent(content: Content): Content {
  const entries = Object.entries(content);
  if (entries.length === 0) throw refusal('secret-empty', 'empty secret value not valid');
  let total = 0;
  for (const [key, value] of entries) {
    if (!KEY.test(key)) throw refusal('secret-key', `key "${key}" not valid`);
    if (!isBase64(value)) {
      throw refusal('secret-base64', `secret content for key "${key}" not valid base64`);
    }
    total += value.length;
  }
  if (total <= LARGEST_BYTES) return content;
  throw refusal('secret-too-large', `secret content too large: ${total} bytes of ${LARGEST_BYTES}`);
}

function insertRevision(
  { store, now }: Model,
  id: string,
  revision: number,
  content: Content,
): void {
  store.run(
    `INSERT INTO secret_revision (secret_id, revision, content, checksum, created)
     VALUES (?, ?, ?, ?, ?)`,
    id,
    revision,
    JSON.stringify(content),
    checksum(content),
    now(),
  );
}

function latestChecksum(store: Store, id: string): string | undefined {
  const sql = 'SELECT checksum FROM secret_revision WHERE secret_id = ? ORDER BY revision DESC';
  return store.get<{ checksum: string }>(sql, id)?.checksum;
}

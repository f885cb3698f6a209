/** `secrets` and `show-secret`. Content leaves the store only when it is asked for. */
import type { SecretDetails, SecretsDocument } from '../api/documents.ts';
import { type Model, refusal } from '../operations/model.ts';
import { secretNamed } from '../operations/user-secrets.ts';
import type { Store } from '../state/store.ts';
import { decodeContent } from '../tools/secret-content.ts';
import { modelNames } from './model.ts';
import { isoTime } from './times.ts';

interface SecretRow {
  id: string;
  owner_kind: string;
  owner: string;
  label: string | null;
  name: string | null;
  description: string | null;
  rotate: string;
  next_rotate: number | null;
  latest: number;
  created: number;
  updated: number;
  checksum: string | null;
  expires: number | null;
}

const SELECT = `SELECT s.*, v.checksum, v.expires FROM secret s
  LEFT JOIN secret_revision v ON v.secret_id = s.id AND v.revision = s.latest`;

/** @param owner an application, a unit, or the model's name */
export function secretsDocument(model: Model, owner: string | undefined): SecretsDocument {
  const rows = model.store.all<SecretRow>(`${SELECT} ORDER BY s.id`);
  const views = rows.map((row) => [row.id, summary(model, row)] as const);
  return Object.fromEntries(
    views.filter(([, view]) => owner === undefined || view.owner === owner),
  );
}

export interface SecretRequest {
  secret: string;
  reveal?: boolean | undefined;
  revision?: number | undefined;
  revisions?: boolean | undefined;
}

/** @throws OperatorError `not-found` */
export function secretDocument(model: Model, request: SecretRequest): SecretsDocument {
  const { store } = model;
  const { id } = secretNamed(store, request.secret);
  const row = store.get<SecretRow>(`${SELECT} WHERE s.id = ?`, id);
  if (row === undefined) throw refusal('not-found', `secret "${id}" not found`);
  const access = accessOf(model, id);
  const details: SecretDetails = {
    ...summary(model, row),
    ...(request.reveal === true
      ? { content: content(store, id, request.revision ?? row.latest) }
      : {}),
    ...(request.revisions === true ? { revisions: revisionsOf(store, id) } : {}),
    ...(access.length === 0 ? {} : { access }),
  };
  return { [id]: details };
}

function summary(model: Model, row: SecretRow): SecretDetails {
  return {
    revision: row.latest,
    ...(row.expires === null ? {} : { expires: isoTime(row.expires) }),
    ...(row.rotate === 'never' ? {} : { rotation: row.rotate }),
    ...(row.next_rotate === null ? {} : { rotates: isoTime(row.next_rotate) }),
    owner: row.owner_kind === 'model' ? modelNames(model).model : row.owner,
    ...(row.description === null ? {} : { description: row.description }),
    ...(row.name === null ? {} : { name: row.name }),
    ...(row.label === null ? {} : { label: row.label }),
    created: isoTime(row.created),
    updated: isoTime(row.updated),
    ...(row.checksum === null ? {} : { checksum: row.checksum }),
  };
}

function content(store: Store, id: string, revision: number): { Data: Record<string, string> } {
  const sql = 'SELECT content FROM secret_revision WHERE secret_id = ? AND revision = ?';
  const row = store.get<{ content: string }>(sql, id, revision);
  if (row !== undefined) return { Data: decodeContent(JSON.parse(row.content)) };
  throw refusal('not-found', `secret "${id}" revision ${revision} not found`);
}

function revisionsOf(store: Store, id: string): SecretDetails['revisions'] & object {
  const rows = store.all<{ revision: number; created: number; expires: number | null }>(
    'SELECT revision, created, expires FROM secret_revision WHERE secret_id = ? ORDER BY revision',
    id,
  );
  return rows.map(({ revision, created, expires }) => ({
    revision,
    created: isoTime(created),
    updated: isoTime(created),
    ...(expires === null ? {} : { expires: isoTime(expires) }),
  }));
}

function accessOf(model: Model, id: string): { target: string; scope: string; role: string }[] {
  const rows = model.store.all<{ subject: string; scope: string; role: string }>(
    'SELECT subject, scope, role FROM secret_grant WHERE secret_id = ? ORDER BY subject',
    id,
  );
  return rows.map(({ subject, scope, role }) => ({
    target: subject.includes('/') ? `unit-${subject.replace('/', '-')}` : `application-${subject}`,
    scope: scope === 'model' ? `model-${modelNames(model).uuid}` : scope.replace(':', '-'),
    role,
  }));
}

/** The secret tools. Changes wait for the commit; what a reader tracks is kept at once. */
import { goQuote, UsageError } from '../../../lib/contract/gnuflag.ts';
import { expiryTime, type SecretChange } from '../../../lib/contract/tools/secrets.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { Handlers } from './handler.ts';
import type { PendingSecret, SecretContent } from './pending.ts';
import {
  changeOf,
  contentOf,
  idOfLabel,
  newSecretId,
  notFound,
  ownedRows,
  owns,
  requireAccess,
  revisionFor,
  secretRow,
} from './secret-access.ts';
import { decodeContent, readContent } from './secret-content.ts';
import { secretInfo } from './secret-info.ts';

export const secretTools: Handlers<
  | 'secret-add'
  | 'secret-set'
  | 'secret-get'
  | 'secret-info-get'
  | 'secret-ids'
  | 'secret-grant'
  | 'secret-revoke'
  | 'secret-remove'
> = {
  'secret-add': (run, call, caller) => {
    const content = readContent(call.content, call.file, caller);
    if (Object.keys(content).length === 0) throw new ToolFailure('empty secret value not valid');
    const ofApplication = call.owner === 'application';
    if (ofApplication) run.requireLeader();
    const id = newSecretId(run.now());
    const owner = ofApplication ? run.application : run.unit;
    refuseTakenLabel(run, call.label, { id, ownerKind: call.owner, owner });
    run.pending.secrets.set(id, {
      id,
      created: { ownerKind: call.owner, owner },
      ofApplication,
      content,
      track: false,
      grants: new Map(),
      ...propertiesOf(run, call),
    });
    return { value: `secret:${id}` };
  },

  'secret-set': (run, call, caller) => {
    const content = readContent(call.content, call.file, caller);
    const change = changeOf(run, call.id);
    const row = change.created ?? secretRow(run, call.id);
    if (row !== undefined) {
      const ownerKind = 'ownerKind' in row ? row.ownerKind : row.owner_kind;
      refuseTakenLabel(run, call.label, { id: call.id, ownerKind, owner: row.owner });
    }
    Object.assign(change, propertiesOf(run, call));
    if (Object.keys(content).length > 0) change.content = content;
    return undefined;
  },

  'secret-get': (run, call) => {
    const id = call.id ?? idOfLabel(run, call.label ?? '');
    if (id === undefined) {
      throw new ToolFailure(`consumer label ${goQuote(call.label ?? '')} not found`);
    }
    const content = readSecret(run, id, call.mode, call.id === undefined ? undefined : call.label);
    if (call.key === undefined) return { value: decodeContent(content) };
    const key = call.key.replace(/#base64$/, '');
    const encoded = Object.hasOwn(content, key) ? content[key] : undefined;
    if (encoded === undefined) {
      throw new ToolFailure(`secret key value ${goQuote(call.key)} not found`);
    }
    return { value: call.key === key ? decodeContent({ key: encoded })['key'] : encoded };
  },

  'secret-info-get': (run, call) => ({ value: secretInfo(run, call) }),

  'secret-ids': (run) => {
    const { secrets } = run.pending;
    const ids = [
      ...ownedRows(run).map(({ id }) => id),
      ...[...secrets.values()].filter(({ created }) => created !== undefined).map(({ id }) => id),
    ].filter((id) => secrets.get(id)?.removed !== 'all');
    return { value: ids.length === 0 ? null : ids };
  },

  'secret-grant': (run, call) => {
    const relation = run.relationOf(call);
    if (call.unit !== undefined && call.unit.split('/')[0] !== relation.remoteApp) {
      const related = `in relation to application ${goQuote(relation.remoteApp)}`;
      throw new UsageError(`cannot specify unit ${goQuote(call.unit)} ${related}`);
    }
    const change = changeOf(run, call.id);
    const subject = call.unit ?? relation.remoteApp;
    if (call.unit === undefined) refuseBesideUnits(run, change, relation.remoteApp);
    change.grants.set(subject, relation.id);
    return undefined;
  },

  'secret-revoke': (run, call) => {
    const named = call.unit ?? call.app;
    const subject =
      named ?? (call.relation === undefined ? undefined : run.relationOf(call).remoteApp);
    if (subject === undefined) throw new UsageError('missing relation or application or unit');
    changeOf(run, call.id).grants.set(subject, undefined);
    return undefined;
  },

  'secret-remove': (run, { id, revision }) => {
    const change = changeOf(run, id);
    if (revision === undefined || change.created !== undefined) {
      change.removed = 'all';
      if (change.created !== undefined) run.pending.secrets.delete(id);
      return undefined;
    }
    if (change.removed === 'all') return undefined;
    change.removed = new Set([...(change.removed ?? []), revision]);
    return undefined;
  },
};

function propertiesOf(run: Execution, call: SecretChange): Partial<PendingSecret> {
  const { label, description, rotate, expire } = call;
  return {
    ...(label === undefined ? {} : { label }),
    ...(description === undefined ? {} : { description }),
    ...(rotate === undefined ? {} : { rotate }),
    ...(expire === undefined ? {} : { expires: expiryOf(run, expire) }),
  };
}

function expiryOf(run: Execution, text: string): number {
  return expiryTime(text) ?? run.now() + (parseDurationMs(text) ?? 0);
}

function refuseTakenLabel(
  run: Execution,
  label: string | undefined,
  secret: { id: string; ownerKind: string; owner: string },
): void {
  if (label === undefined) return;
  const stored = run.store.get<{ id: string }>(
    'SELECT id FROM secret WHERE owner_kind = ? AND owner = ? AND label = ?',
    secret.ownerKind,
    secret.owner,
    label,
  );
  const renamed = stored !== undefined && run.pending.secrets.get(stored.id)?.label !== undefined;
  const pending = [...run.pending.secrets.values()].find(
    (change) =>
      change.label === label &&
      change.id !== secret.id &&
      change.ofApplication === (secret.ownerKind === 'application'),
  );
  const taken = pending ?? (renamed ? undefined : stored);
  if (taken !== undefined && taken.id !== secret.id) {
    throw new ToolFailure(`secret with label ${goQuote(label)} already exists`);
  }
}

function readSecret(
  run: Execution,
  id: string,
  mode: 'peek' | 'refresh' | undefined,
  label: string | undefined,
): SecretContent {
  const change = run.pending.secrets.get(id);
  if (change?.created !== undefined && change.content !== undefined) return change.content;
  const row = secretRow(run, id);
  if (row === undefined) throw notFound(id);
  requireAccess(run, row);
  if (change?.content !== undefined && mode !== undefined && owns(run, row)) {
    if (mode === 'refresh') change.track = true;
    return change.content;
  }
  return contentOf(run, id, revisionFor(run, row, mode, label));
}

/** Repeating a grant to the application is fine; adding it to grants of single units is not. */
function refuseBesideUnits(run: Execution, change: PendingSecret, application: string): void {
  const stored = run.store.all<{ subject: string }>(
    'SELECT subject FROM secret_grant WHERE secret_id = ?',
    change.id,
  );
  const subjects = new Set(stored.map(({ subject }) => subject));
  for (const [subject, relation] of change.grants) {
    if (relation === undefined) subjects.delete(subject);
    else subjects.add(subject);
  }
  if ([...subjects].some((subject) => subject.startsWith(`${application}/`))) {
    const first = 'any unit level grants need to be revoked';
    throw new ToolFailure(`${first} before granting access to the corresponding application`);
  }
}

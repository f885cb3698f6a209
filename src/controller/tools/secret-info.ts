/** What secret-info-get says of an owned secret, pending changes included. */
import type { Value } from '../../../lib/contract/format.ts';
import { goQuote } from '../../../lib/contract/gnuflag.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { PendingSecret } from './pending.ts';
import { notFound, ownedRows, type SecretRow } from './secret-access.ts';

/** @throws ToolFailure when the unit may change no such secret */
export function secretInfo(run: Execution, wanted: { id?: string; label?: string }): Value {
  const rows = new Map(ownedRows(run).map((row) => [row.id, row] as const));
  const changes = [...run.pending.secrets.values()];
  const labelOf = (id: string) =>
    run.pending.secrets.get(id)?.label ?? rows.get(id)?.label ?? undefined;
  const known = new Set([
    ...rows.keys(),
    ...changes.filter(({ created }) => created !== undefined).map(({ id }) => id),
  ]);
  const id = wanted.id ?? [...known].find((candidate) => labelOf(candidate) === wanted.label);
  if (id === undefined) throw new ToolFailure(`secret ${goQuote(wanted.label ?? '')} not found`);
  const change = run.pending.secrets.get(id);
  if (!known.has(id) || change?.removed === 'all') throw notFound(id);
  return { [id]: describe(run, rows.get(id), change) };
}

function describe(
  run: Execution,
  row: SecretRow | undefined,
  change: PendingSecret | undefined,
): Value {
  const expires = change?.expires ?? expiryOf(run, row);
  const description = change?.description ?? row?.description ?? '';
  const access = accessOf(run, row, change);
  const owner = (change?.created?.ownerKind ?? row?.owner_kind) === 'unit' ? 'unit' : 'application';
  const nextRotate = row?.next_rotate ?? undefined;
  return new Map<string, Value>([
    ['revision', row?.latest ?? 1],
    ['label', change?.label ?? row?.label ?? ''],
    ['owner', owner],
    ...(description === '' ? [] : ([['description', description]] as const)),
    ['rotation', change?.rotate ?? row?.rotate ?? 'never'],
    ...(expires === undefined ? [] : ([['expiry', new Date(expires)]] as const)),
    ...(nextRotate === undefined ? [] : ([['rotates', new Date(nextRotate)]] as const)),
    ...(access.length === 0 ? [] : ([['access', access]] as const)),
  ]);
}

function expiryOf(run: Execution, row: SecretRow | undefined): number | undefined {
  if (row === undefined) return undefined;
  const latest = run.store.get<{ expires: number | null }>(
    'SELECT expires FROM secret_revision WHERE secret_id = ? AND revision = ?',
    row.id,
    row.latest,
  );
  return latest?.expires ?? undefined;
}

function accessOf(
  run: Execution,
  row: SecretRow | undefined,
  change: PendingSecret | undefined,
): Value[] {
  const grants = new Map<string, string>();
  const stored = run.store.all<{ subject: string; scope: string }>(
    'SELECT subject, scope FROM secret_grant WHERE secret_id = ?',
    row?.id ?? '',
  );
  for (const { subject, scope } of stored) grants.set(subject, scope);
  for (const [subject, relation] of change?.grants ?? []) {
    if (relation === undefined) grants.delete(subject);
    else grants.set(subject, `relation:${relation}`);
  }
  return [...grants].sort().map(
    ([subject, scope]) =>
      new Map<string, Value>([
        ['target', tagOf(subject)],
        ['scope', scopeTag(run, scope)],
        ['role', 'view'],
      ]),
  );
}

function tagOf(subject: string): string {
  return subject.includes('/') ? `unit-${subject.replace('/', '-')}` : `application-${subject}`;
}

/** `relation-web.db#postgresql.database`, both ends of the relation as Juju's tags write them. */
function scopeTag(run: Execution, scope: string): string {
  const id = Number(scope.replace(/^relation:/, ''));
  const ends = run.store.all<{ application: string; endpoint: string; role: string }>(
    'SELECT application, endpoint, role FROM relation_endpoint WHERE relation_id = ?',
    Number.isInteger(id) ? id : -1,
  );
  const text = ends
    .sort((a, b) => (a.role === b.role ? 0 : a.role === 'requirer' ? -1 : 1))
    .map(({ application, endpoint }) => `${application}.${endpoint}`);
  return text.length === 0 ? scope : `relation-${text.join('#')}`;
}

/** Lines of the model's log, chosen by level and entity. */
import type { LogLine, StatusLogLine } from '../api/documents.ts';
import { applicationNamed, type Model, unitNamed } from '../operations/model.ts';

export interface LogRequest {
  /** Only lines after this id. */
  after?: number | undefined;
  limit?: number | undefined;
  /** This level and above. */
  level?: string | undefined;
  include?: readonly string[] | undefined;
  exclude?: readonly string[] | undefined;
  /** From the oldest line on; otherwise the newest ones, unless `after` is given. */
  replay?: boolean | undefined;
}

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];
const MOST_LINES = 10_000;

/** In order of time, at most 10,000. */
export function logLines({ store }: Model, request: LogRequest): LogLine[] {
  const forward = request.replay === true || request.after !== undefined;
  const { where, values } = conditions(request);
  const rows = store.all<LogLine>(
    `SELECT id, at, entity, level, module, message FROM log WHERE ${where}
     ORDER BY id ${forward ? 'ASC' : 'DESC'} LIMIT ?`,
    ...values,
    Math.min(request.limit ?? MOST_LINES, MOST_LINES),
  );
  return forward ? rows : rows.toReversed();
}

function conditions(request: LogRequest): { where: string; values: (string | number)[] } {
  const parts = ['id > ?'];
  const values: (string | number)[] = [request.after ?? 0];
  const from = LEVELS.indexOf((request.level ?? 'TRACE').toUpperCase());
  if (from > 0)
    parts.push(
      `level IN (${LEVELS.slice(from)
        .map((level) => `'${level}'`)
        .join(', ')})`,
    );
  const include = (request.include ?? []).map(entityPattern);
  if (include.length > 0) {
    parts.push(`(${include.map(() => 'entity GLOB ?').join(' OR ')})`);
    values.push(...include);
  }
  for (const entity of (request.exclude ?? []).map(entityPattern)) {
    parts.push('entity NOT GLOB ?');
    values.push(entity);
  }
  return { where: parts.join(' AND '), values };
}

/**
 * What the statuses of a unit or application were, oldest first.
 *
 * @throws OperatorError `not-found`
 */
export function statusLog({ store }: Model, entity: string, limit: number): StatusLogLine[] {
  const named = entity.includes('/') ? unitNamed : applicationNamed;
  const { name } = named(store, entity);
  const sql = `SELECT at, kind, status, message FROM status_history WHERE entity = ?
    ORDER BY id DESC LIMIT ?`;
  return store.all<StatusLogLine>(sql, name, limit).toReversed();
}

/** `pg/0`, `unit-pg-0`, `pg` (all its units) or a pattern with `*`. */
function entityPattern(text: string): string {
  if (text.includes('/')) return `unit-${text.replace('/', '-')}`;
  if (/^(unit|machine|controller)/.test(text) || text.includes('*')) return text;
  return `unit-${text}-[0-9]*`;
}

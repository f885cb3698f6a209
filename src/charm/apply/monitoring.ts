/** Steps for what watches the database: the role that the exporter logs in as. */
import { MONITOR } from '../model/hba.ts';
import type { SqlPort } from '../workload/ports.ts';
import { ddl, identifier } from '../workload/sql.ts';
import { toPrimary } from './primary.ts';
import type { Families } from './tools.ts';

export const monitoringSteps: Families<'ensure-monitoring-role'> = {
  'ensure-monitoring-role': {
    lane: 'monitoring',
    priority: 56,
    async apply(_, tools) {
      const sql = await toPrimary(tools)('postgres');
      try {
        await ensureMonitor(sql);
      } finally {
        await sql.close();
      }
      return undefined;
    },
  },
};

/** May be repeated; a password that the role has stays. */
export async function ensureMonitor(sql: SqlPort): Promise<void> {
  const role = identifier(MONITOR);
  const found = await sql.query('SELECT FROM pg_roles WHERE rolname = $1', [MONITOR]);
  const verb = found.length === 0 ? ddl`CREATE` : ddl`ALTER`;
  await sql.query(ddl`${verb} ROLE ${role} LOGIN`.text);
  await sql.query(ddl`GRANT pg_monitor TO ${role}`.text);
}

/** Watches the unit's own PostgreSQL over its socket: role, pending parameters, HBA's users. */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { known, type LocalView, unknown } from '../../charm/model/world.ts';
import type { SqlPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';

const EVERY_MS = 2000;

/** An entry for TLS where there is none is told as an error, too, but is loaded all the same. */
const FAULTY = "error IS NOT NULL AND error NOT LIKE '%record cannot match because%'";

const QUERY = `
  SELECT pg_catalog.pg_is_in_recovery() AS recovery,
    pg_catalog.current_setting('server_version') AS version,
    ARRAY(SELECT name::text FROM pg_catalog.pg_settings
      WHERE pending_restart ORDER BY 1) AS pending,
    ARRAY(SELECT DISTINCT u FROM pg_catalog.pg_hba_file_rules, unnest(user_name) u
      WHERE type <> 'local' AND auth_method <> 'reject' ORDER BY 1) AS hba,
    ARRAY(SELECT pg_catalog.format('line %s: %s', line_number, error)
      FROM pg_catalog.pg_hba_file_rules WHERE ${FAULTY} ORDER BY line_number) AS faults,
    (SELECT COALESCE(sum(checksum_failures), 0)::float8
      FROM pg_catalog.pg_stat_database) AS damaged`;

export interface LocalWatch {
  loop: Loop;
  close(): Promise<void>;
}

export function watchLocal(facts: Facts, clients: Clients, log: Log): LocalWatch {
  let open: SqlPort | undefined;
  const drop = async () => {
    const sql = open;
    open = undefined;
    await sql?.close().catch(() => undefined);
  };
  const loop = new Loop({
    name: 'watch of the local server',
    log,
    everyMs: () => EVERY_MS,
    async run() {
      try {
        if (open === undefined) {
          const sql = await clients.localSql();
          open = sql;
          void sql.closed.then(() => {
            if (open !== sql) return;
            open = undefined;
            loop.nudge();
          });
        }
        const [row] = await open.query<Row>(QUERY);
        if (row !== undefined) facts.set('local', known(view(row)));
      } catch (error) {
        await drop();
        facts.set('local', unknown(messageOf(error)));
      }
    },
  });
  return { loop, close: drop };
}

interface Row {
  recovery: boolean;
  version: string;
  pending: string[];
  hba: string[];
  faults: string[];
  damaged: number;
}

function view({ recovery, version, pending, hba, faults, damaged }: Row): LocalView {
  return {
    role: recovery ? 'replica' : 'primary',
    serverVersion: version,
    pendingRestart: pending,
    hbaUsers: hba,
    ...(faults.length === 0 ? {} : { hbaErrors: faults }),
    damagedPages: damaged,
  };
}

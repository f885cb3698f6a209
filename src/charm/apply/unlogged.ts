/**
 * Keeps what a connection sends out of PostgreSQL's log: a verifier can be guessed against. Neither
 * statements as such, nor slow ones, nor those with an error, nor what pgaudit would add.
 */
import { ddl } from '../workload/sql.ts';

export const UNLOGGED = ddl`
  SET log_statement = 'none'; SET log_min_duration_statement = -1;
  SET log_min_error_statement = 'panic'; SET pgaudit.log = 'none'`;

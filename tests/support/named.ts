/** A machine that has nothing of what options may name, but what PostgreSQL always brings along. */
import type { Snapshot } from '../../src/charm/model/snapshot.ts';

export const NAMED: Snapshot['named'] = {
  'time-zone': [],
  locale: [],
  library: ['pg_stat_statements'],
  extension: [],
  archive: {},
};

/**
 * Keeps PostgreSQL's temporary files on the storage `temp`: the directory where they come to lie is
 * a link there. No tablespace does it, because that is the whole cluster's, with one path for all
 * units, while each unit has a path of its own (docs/decisions/2026-11-20-temporary-files.md).
 *
 * Backup, clone and rewind leave that directory out, so the link is missing after each of them.
 */
import { type Decider, step } from '../model/steps.ts';

export const temporaryFiles: Decider = ({ data, layout }) => {
  const { temporary } = data;
  if (layout.data === undefined || layout.temp === undefined) return [];
  // Without a control file somebody is still making the data.
  if (temporary === undefined || data.systemIdentifier === undefined) return [];
  // While queries have files in a directory of its own, a later event finds it empty.
  if (temporary.link === layout.temp || temporary.busy) return [];
  const why = 'temporary files belong on their own storage';
  return [step('link-temporary-files', { path: temporary.path, target: layout.temp }, why)];
};

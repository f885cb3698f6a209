/**
 * Forgets charm revisions that no application and no unit has any more, and their archives: each
 * refresh would otherwise leave one behind for ever.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Model } from './model.ts';

/** An archive may lie there for a while before its deployment is in the store. */
const YOUNG_MS = 3_600_000;

/** Repeatable; a crash in between leaves files that the next call removes. */
export async function pruneCharms({ store, layout, now }: Model): Promise<void> {
  store.run(
    `DELETE FROM charm WHERE id NOT IN (SELECT charm_id FROM application)
     AND id NOT IN (SELECT charm_id FROM unit WHERE charm_id IS NOT NULL)`,
  );
  const rows = store.all<{ sha256: string }>('SELECT sha256 FROM charm');
  const kept = new Set(rows.map(({ sha256 }) => layout.charmArchive(sha256)));
  const directory = dirname(layout.charmArchive('any'));
  for (const name of await readdir(directory).catch(() => [])) {
    const path = `${directory}/${name}`;
    if (kept.has(path)) continue;
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && now() - info.mtimeMs > YOUNG_MS) await rm(path, { force: true });
  }
}

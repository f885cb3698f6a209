/** Reads the whole repository, for list-backups and for choosing what to restore. */
import type { JobKind } from './kind.ts';
import { foreignReason, OWNER_KEY, readRepository } from './repository-facts.ts';

/** Result `repository`: JSON of a Repository; `foreign`: why it is not this cluster's, or ''. */
export const listJob: JobKind = async (context) => {
  const store = await context.store();
  try {
    await store.headBucket();
    const repository = await readRepository(context, store);
    const foreign = foreignReason({
      owner: await store.get(OWNER_KEY),
      modelUuid: context.desired.unit.modelUuid,
      repository,
      systemIdentifier: context.params['system-identifier'],
    });
    return { repository: JSON.stringify(repository), foreign: foreign ?? '' };
  } finally {
    store.close();
  }
};

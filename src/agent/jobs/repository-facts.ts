/** Asks pgBackRest and the store what the repository holds, and whose it is. Changes nothing. */
import {
  archiveIds,
  parseHistory,
  parseInfo,
  type Repository,
  type Timeline,
} from '../../charm/model/repository.ts';
import type { ObjectStore } from '../../charm/workload/s3.ts';
import type { JobContext } from './kind.ts';

/** Marks a path as one model's; its content is the model's UUID. */
export const OWNER_KEY = 'model-uuid.txt';

/** @throws OperatorError when the store or pgBackRest cannot be used */
export async function readRepository(context: JobContext, store: ObjectStore): Promise<Repository> {
  const { stanza } = context.backup;
  const json = await context.pgbackrest.info();
  const timelines = await timelinesOf(store, stanza, archiveIds(json, stanza));
  return parseInfo(json, stanza, timelines);
}

/** History files are stored as they are, beside the directories of segments. */
async function timelinesOf(
  store: ObjectStore,
  stanza: string,
  ids: readonly string[],
): Promise<Timeline[]> {
  const timelines: Timeline[] = [];
  for (const id of ids) {
    for (const { key, modified } of await store.list(`archive/${stanza}/${id}`)) {
      const match = /\/([0-9A-F]{8})\.history$/.exec(key);
      if (match === null) continue;
      const text = (await store.get(key)) ?? '';
      timelines.push(parseHistory(Number.parseInt(match[1] ?? '', 16), text, modified));
    }
  }
  return timelines;
}

/** Why the repository is not this cluster's, or undefined when it is, or is nobody's yet. */
export function foreignReason(facts: {
  owner: string | undefined;
  modelUuid: string;
  repository: Repository;
  systemIdentifier: string | undefined;
}): string | undefined {
  const { owner, modelUuid, repository, systemIdentifier } = facts;
  if (owner !== undefined && owner.trim() !== '' && owner.trim() !== modelUuid) {
    return `its path belongs to model ${owner.trim().slice(0, 40)}`;
  }
  const [other] = repository.otherStanzas;
  if (other !== undefined) return `its path holds stanza ${other}`;
  const theirs = repository.systemIdentifier;
  if (theirs !== undefined && systemIdentifier !== undefined && theirs !== systemIdentifier) {
    return `stanza ${repository.stanza} holds database ${theirs}, this one is ${systemIdentifier}`;
  }
  return undefined;
}

/**
 * What becomes of the data of before a restore that still lie beside their place when no work is at
 * hand any more: their unit was away when the restore ended. Pure.
 */
export interface RestoreRecord {
  readonly id: string;
  readonly outcome: 'running' | 'done' | 'failed';
  /** The restored data took a write as the primary's: from then on they are the database. */
  readonly proven: boolean;
}

export type LeftoverMove =
  | { readonly move: 'none' }
  /** What was restored is the database: the data of before go. */
  | { readonly move: 'discard' }
  /** What was restored is none: the data of before are what the unit has to offer. */
  | { readonly move: 'put-back'; readonly tag: string };

/**
 * @param tags names of the data that were set aside, each the id of its restore; sorted
 * @param record the newest record of work, if it is a restore's; undefined: another's, or none
 */
export function decideLeftovers(
  tags: readonly string[],
  record: RestoreRecord | undefined,
): LeftoverMove {
  const [oldest] = tags;
  if (oldest === undefined || record?.outcome === 'running') return { move: 'none' };
  if (record !== undefined && tags.includes(record.id)) {
    if (record.proven) return { move: 'discard' };
    return { move: 'put-back', tag: record.id };
  }
  // Other work has come and gone since. It needed a primary, which was another unit; whatever this
  // one holds follows that primary, and only the data of before are known to have been a member's.
  return { move: 'put-back', tag: oldest };
}

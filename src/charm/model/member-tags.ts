/**
 * The option `member-tags`: what single units are for, in the words of Patroni's tags. One that
 * replays with a delay, or is called offline, is never promoted, confirms nothing, serves no reads.
 */
export interface MemberTags {
  /** Only those that are set; Patroni takes a missing one for false. */
  readonly tags: Readonly<Partial<Record<Tag, true>>>;
  /** How far behind it replays; left out: not at all. */
  readonly delaySeconds?: number;
}

const TAGS = ['nofailover', 'noloadbalance', 'nosync', 'clonefrom'] as const;
type Tag = (typeof TAGS)[number];

const APART: MemberTags['tags'] = { nofailover: true, noloadbalance: true, nosync: true };
export const NO_TAGS: MemberTags = { tags: {} };

export const MEMBER_TAGS_FORM =
  `units with ${TAGS.join(', ')}, offline or delay=<number>s|min|h|d, ` +
  'as "postgresql/1: nofailover nosync; postgresql/2: delay=1h"';

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };
/** PostgreSQL counts milliseconds in 31 bits. */
const MOST_SECONDS = 2_147_483;

/** By unit name; undefined when a part is not of that form, or a unit has two parts. */
export function parseMemberTags(text: string): Record<string, MemberTags> | undefined {
  const parts = text.split(';').map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop();
  const found: Record<string, MemberTags> = {};
  for (const part of parts) {
    const [, unit = '', words = ''] = /^([a-z][a-z0-9-]*\/\d+)\s*:\s*(.+)$/.exec(part) ?? [];
    const read = words.split(/[\s,]+/).reduce<MemberTags | undefined>(withWord, NO_TAGS);
    if (unit === '' || found[unit] !== undefined || read === undefined) return undefined;
    found[unit] = read;
  }
  return parts.length === 0 ? undefined : found;
}

function withWord(before: MemberTags | undefined, word: string): MemberTags | undefined {
  if (before === undefined || word === '') return before;
  const tag = TAGS.find((name) => name === word);
  if (tag !== undefined) return { ...before, tags: { ...before.tags, [tag]: true } };
  const apart = { ...before.tags, ...APART };
  if (word === 'offline') return { ...before, tags: apart };
  const [, count, unit = ''] = /^delay=(\d+)(s|min|h|d)$/.exec(word) ?? [];
  const delaySeconds = Number(count) * (UNIT_SECONDS[unit] ?? Number.NaN);
  if (!(delaySeconds >= 1 && delaySeconds <= MOST_SECONDS)) return undefined;
  return { tags: apart, delaySeconds };
}

/** The tags of one unit in force: where every unit were kept from leading, none is. */
export function tagsInForce(
  tags: Readonly<Record<string, MemberTags>>,
  unit: string,
  planned: readonly string[],
): MemberTags['tags'] {
  const { nofailover, ...rest } = (tags[unit] ?? NO_TAGS).tags;
  return nofailover && someLeads(tags, planned) ? { ...rest, nofailover } : rest;
}

export function someLeads(
  tags: Readonly<Record<string, MemberTags>>,
  planned: readonly string[],
): boolean {
  return planned.some((unit) => tags[unit]?.tags.nofailover !== true);
}

/**
 * How many replicas there are at most that may confirm a commit. Whoever is primary confirms
 * nothing to itself; that it is one of those without the tag is the careful guess.
 */
export function confirmingReplicas(
  tags: Readonly<Record<string, MemberTags>>,
  planned: readonly string[],
): number {
  const untagged = planned.filter((unit) => tags[unit]?.tags.nosync !== true);
  return Math.max(untagged.length - 1, 0);
}

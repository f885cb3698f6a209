/**
 * Why a controller did not start, from the end of its log: `ERROR <reason>`, and `HINT <what to
 * do>` after it, as its entry writes them.
 */
export interface LastWords {
  reason: string | undefined;
  hint: string | undefined;
}

/** @param log the whole text of the log */
export function lastWords(log: string): LastWords {
  const lines = log.trimEnd().split('\n');
  const last = lines.at(-1) ?? '';
  const hint = /^HINT (.+)$/.exec(last)?.[1];
  const line = (hint === undefined ? last : lines.at(-2)) ?? '';
  const reason = /^ERROR (.+)$/.exec(line)?.[1];
  if (reason !== undefined) return { reason, hint };
  return { reason: last === '' ? undefined : `its log ends with: ${last}`, hint: undefined };
}

/**
 * Whether a server that was asked and does not answer is lost, or only slow. Pure.
 *
 * Silence is counted in ticks of the asker's own clock, of which a process that was itself denied
 * the processor gets one, however long that took: its answers may lie unread in the socket.
 */

export const TICK_MS = 250;
/** A busy server answers a bare SHOW late, but not this late: then it serves nobody else either. */
export const SILENT_TICKS = 20;
/** Patroni has no leader either: less silence is enough. */
export const LEADERLESS_TICKS = 6;

export function isSilent(ticks: number, leaderless: boolean): boolean {
  return ticks >= (leaderless ? LEADERLESS_TICKS : SILENT_TICKS);
}

/**
 * What a failed login says of the server. One that refuses for want of a slot or a password is
 * alive; one that refuses everybody (57P01 to 57P03), or that nobody can reach, is not.
 */
export function refusesEverybody(cause: unknown): boolean {
  if (!(cause instanceof Error)) return true;
  const { code, severity } = cause as { code?: unknown; severity?: unknown };
  const saidByServer = severity !== undefined && typeof code === 'string';
  return !saidByServer || code.startsWith('57P');
}

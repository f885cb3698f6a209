/** Times as Juju's documents show them. Every argument is milliseconds since the epoch. */
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** `24 Feb 2025 12:02:57+13:00`, or with `Z` for UTC: what `since` is in `status`. */
export function statusTime(ms: number, utc: boolean): string {
  const offset = utc ? 0 : -new Date(ms).getTimezoneOffset();
  const shifted = new Date(ms + offset * 60_000);
  const month = MONTHS[shifted.getUTCMonth()] ?? '';
  const date = `${two(shifted.getUTCDate())} ${month} ${shifted.getUTCFullYear()}`;
  return `${date} ${shifted.toISOString().slice(11, 19)}${zone(offset)}`;
}

/** `12:04:55+13:00`: the timestamp of the whole status. */
export function clockTime(ms: number, utc: boolean): string {
  return statusTime(ms, utc).split(' ').at(-1) ?? '';
}

/** `2026-03-01T16:23:26Z` */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function zone(offsetMinutes: number): string {
  if (offsetMinutes === 0) return 'Z';
  const size = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

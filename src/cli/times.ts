/** Times as Go's time.Time.String() prints them: `2026-03-01 16:23:26 +1300 NZDT`, local. */

/** @param ms milliseconds since the epoch */
export function goTime(ms: number): string {
  const time = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  const offset = -time.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${date} ${clock} ${zone} ${zoneName(time, zone)}`;
}

/** The zone's abbreviation where it has one; Go repeats the offset otherwise. */
function zoneName(time: Date, offset: string): string {
  if (offset === '+0000') return 'UTC';
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(time);
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
  return /^[A-Z]{2,5}$/.test(name) ? name : offset;
}

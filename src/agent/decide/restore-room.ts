/**
 * Whether a unit can hold the restored database beside the data of now, which stay until the
 * restore is proven. Says it with the numbers. Pure: who measures is work/restore-tasks.ts.
 */
import { OperatorError } from '../../../lib/std/errors.ts';

/** One filesystem that a restore writes to. Bytes that an ordinary user may still take. */
export interface Room {
  storage: 'data' | 'logs';
  path: string;
  freeBytes: number;
}

/** What recovery writes beside what the backup holds: its WAL comes segment by segment. */
const HEADROOM_BYTES = 256 * 1024 * 1024;

/**
 * @param databaseBytes size of the restored database, as the backup names it
 * @param rooms one entry per filesystem: WAL that shares the data's is not measured twice
 * @returns OperatorError `disk-too-small`, or undefined when there is room
 */
export function roomRefusal(
  unit: string,
  databaseBytes: number,
  rooms: readonly Room[],
): OperatorError | undefined {
  const lacking = rooms.filter((room) => room.freeBytes < neededBytes(room, databaseBytes));
  if (lacking.length === 0) return undefined;
  const facts = lacking.map((room) => {
    const needed = neededBytes(room, databaseBytes);
    return (
      `storage ${room.storage} needs ${readableBytes(needed)} beside the data of now, ` +
      `and ${readableBytes(room.freeBytes)} are free`
    );
  });
  const ways = lacking.map((room) => {
    const missing = neededBytes(room, databaseBytes) - room.freeBytes;
    return `free ${readableBytes(missing)} more below ${room.path}`;
  });
  return new OperatorError({
    code: 'disk-too-small',
    message: `cannot restore on ${unit}: ${facts.join('; ')}`,
    hint: `${ways.join(', and ')}, or enlarge its filesystem; then ask again`,
  });
}

/** A backup is fetched with the WAL it needs into the data; later WAL goes where WAL lies. */
function neededBytes({ storage }: Room, databaseBytes: number): number {
  return storage === 'data' ? databaseBytes + HEADROOM_BYTES : HEADROOM_BYTES;
}

/** `1.5 GiB (1610612736 bytes)`: to grasp, and to compute with. */
export function readableBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return `${bytes} bytes`;
  return `${value.toFixed(1)} ${units[unit]} (${bytes} bytes)`;
}

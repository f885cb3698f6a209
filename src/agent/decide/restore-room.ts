/**
 * Whether the units can hold the restored database: one restores it beside the data of now, which
 * stay until the restore is proven; the others give up theirs and clone it. Says it with the
 * numbers. Pure: who measures is work/restore-room.ts.
 */
import { OperatorError } from '../../../lib/std/errors.ts';

/** One filesystem that a restore writes to. */
export interface Room {
  storage: 'data' | 'logs';
  path: string;
  /** Bytes that an ordinary user may still take. */
  freeBytes: number;
  /** What the unit's present data take there; left out: not measured. */
  heldBytes?: number;
}

export interface UnitRoom {
  unit: string;
  part: 'restores' | 'clones';
  /** One entry per filesystem: WAL that shares the data's is not measured twice. */
  rooms: readonly Room[];
}

/** What recovery writes beside what the backup holds: its WAL comes segment by segment. */
const HEADROOM_BYTES = 256 * 1024 * 1024;

/** A filesystem of a unit with what is asked of it. */
interface Shortage extends Room {
  unit: string;
  part: UnitRoom['part'];
  neededBytes: number;
  availableBytes: number;
}

/**
 * @param databaseBytes size of the restored database, as the backup names it
 * @returns OperatorError `disk-too-small`, or undefined when there is room everywhere
 */
export function roomRefusal(
  databaseBytes: number,
  units: readonly UnitRoom[],
): OperatorError | undefined {
  const lacking = units.flatMap((unit) => shortages(unit, databaseBytes));
  if (lacking.length === 0) return undefined;
  const ways = lacking.map(({ unit, path, ...bytes }) => {
    const missing = readableBytes(bytes.neededBytes - bytes.availableBytes);
    return `free ${missing} more below ${path} of ${unit}`;
  });
  return new OperatorError({
    code: 'disk-too-small',
    message: `cannot restore: ${lacking.map(explained).join('; ')}`,
    hint: `${ways.join(', and ')}, or enlarge its filesystem; then ask again`,
  });
}

function shortages({ unit, part, rooms }: UnitRoom, databaseBytes: number): Shortage[] {
  return rooms
    .map((room) => ({
      ...{ ...room, unit, part },
      neededBytes: neededBytes(room, databaseBytes),
      // Who clones has removed its own data by then.
      availableBytes: room.freeBytes + (part === 'clones' ? (room.heldBytes ?? 0) : 0),
    }))
    .filter((room) => room.availableBytes < room.neededBytes);
}

function explained({ unit, part, storage, ...bytes }: Shortage): string {
  const needed = `storage ${storage} of ${unit} needs ${readableBytes(bytes.neededBytes)}`;
  const available = readableBytes(bytes.availableBytes);
  return part === 'restores'
    ? `${needed} beside the data of now, and ${available} are free`
    : `${needed} to clone what is restored, and ${available} are free without the data of now`;
}

/** A backup is fetched with the WAL it needs into the data; later WAL goes where WAL lies. */
export function neededBytes({ storage }: Pick<Room, 'storage'>, databaseBytes: number): number {
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

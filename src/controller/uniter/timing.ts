/**
 * When things are due: update-status, retries, rotations. Pure: the caller says what time it is.
 *
 * The jitter of update-status is drawn from the unit's name and the last run, so that asking twice
 * gives the same answer and units do not fire together.
 */
import { createHash } from 'node:crypto';

const RETRY_FIRST_MS = 5000;
const RETRY_MAX_MS = 300_000;
const DAY_MS = 86_400_000;

/** Juju's rotation policies. Months and years as the calendar-free lengths Juju's docs give. */
const ROTATION_MS: Readonly<Record<string, number>> = {
  hourly: 3_600_000,
  daily: DAY_MS,
  weekly: 7 * DAY_MS,
  monthly: 30 * DAY_MS,
  quarterly: 90 * DAY_MS,
  yearly: 365 * DAY_MS,
};

/** After an expired or unrotated secret was reported, it is reported again this much later. */
export const SECRET_RETRY_MS = 300_000;

export const UPDATE_STATUS_INTERVAL_MS = 300_000;

/** Interval of update-status with its jitter of a fifth either way. */
export function updateStatusDueAt(unit: string, last: number, intervalMs: number): number {
  const draw = createHash('sha256').update(`${unit}@${last}`).digest().readUInt16BE(0) / 0xffff;
  return last + Math.round(intervalMs * (0.8 + 0.4 * draw));
}

/**
 * Wait before a failed hook runs again: 5 s, doubled each time, at most 5 min.
 *
 * @param attempts how often it has failed, from 1
 * @param draw a number in [0, 1) that moves the result by a tenth either way
 */
export function retryDelayMs(attempts: number, draw: number): number {
  const base = Math.min(RETRY_FIRST_MS * 2 ** (attempts - 1), RETRY_MAX_MS);
  return Math.round(base * (0.9 + 0.2 * draw));
}

/** Milliseconds between two rotations, or undefined for `never`. */
export function rotationMs(policy: string): number | undefined {
  return ROTATION_MS[policy];
}
